// What a TSan run is for: workers, checks, HTTP and log on their threads, with everything going on at once.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <thread>

#include "lb/cli/control_client.h"
#include "tests/component/app/app_under_test.h"
#include "tests/component/app/reserved_port.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

FakeServer::Script answering() {
  return http_script([](const std::string&) { return http_response(200); });
}

// Does `task` over and over on a thread of its own until it goes; counts how often it returned true.
class Busy {
 public:
  explicit Busy(std::function<bool()> task)
      : task_(std::move(task)), thread_([this] {
          while (!done_) ++(task_() ? well_ : badly_);
        }) {}
  ~Busy() { stop(); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

  void stop() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int well() const { return well_; }
  int badly() const { return badly_; }

 private:
  const std::function<bool()> task_;
  std::atomic<bool> done_{false};
  std::atomic<int> well_{0};
  std::atomic<int> badly_{0};
  std::thread thread_;
};

bool says(const HttpResponse& response, std::string_view part) {
  return response.is_ok() && response.body.find(part) != std::string::npos;
}

TEST_CASE("two workers under clients, flapping backends and readers end within a second of Stop") {
  FakeServer steady({}, answering());
  const std::array<ReservedPort, 3> ports;
  AppUnderTest app(
      {.backends = {steady.address(), ports[0].address(), ports[1].address(), ports[2].address()},
       .workers = 2});
  std::deque<Busy> flapping;
  for (const ReservedPort& port : ports) {
    flapping.emplace_back([&port] {
      std::this_thread::sleep_for(25ms);
      FakeServer server({.port = port.address().port()}, answering());
      std::this_thread::sleep_for(25ms);
      return server.accepted() > 0;
    });
  }
  std::deque<Busy> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      std::this_thread::sleep_for(1ms);
      return http_get({.address = app.address(), .limit = 1s}, "/").is_ok();
    });
  }
  // Each names the second worker, or what only a whole answer has.
  Busy metrics(
      [&] { return says(http_get({.address = app.admin_address()}, "/metrics"), "loop=\"worker-1\""); });
  Busy status(
      [&] { return says(http_get({.address = app.admin_address()}, "/api/v1/status"), "backend-3"); });
  Busy control([&] {
    return ask_daemon(app.control_path(), "/api/v1/status").body.find("backend-3") != std::string::npos;
  });

  const auto sessions = [&] {
    int sum = 0;
    for (const Busy& client : clients) sum += client.well();
    return sum;
  };
  CHECK(wait_until(
      [&] {
        return sessions() > 500 && metrics.well() > 20 && status.well() > 20 && control.well() > 20 &&
               app.log().count("backend state changed") > 100;
      },
      3 * kPatience));
  MESSAGE(sessions(), " sessions, ", app.log().count("backend state changed"), " changes of state, ",
          metrics.well() + status.well() + control.well(), " answers to readers");
  // Until now nothing was asked in vain: only the end may cut a reader off.
  CHECK(metrics.badly() + status.badly() + control.badly() == 0);
  CHECK(app.stop() < 1s);
  CHECK(app.log().wait_for("stopping, every client is reset signal=SIGTERM"));
  // Everything that ProxyApp held is closed: nobody gets in any more.
  CHECK(http_get({.address = app.address()}, "/").error == ClientError::Refused);
  CHECK(http_get({.address = app.admin_address()}, "/livez").error == ClientError::Refused);
}

}  // namespace
}  // namespace vipward::test
