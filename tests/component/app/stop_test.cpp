// The end while checks are at work: the control loop may hear of a state after its workers are gone.
#include <doctest/doctest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "tests/component/app/app_under_test.h"
#include "tests/component/app/reserved_port.h"
#include "tests/support/http_client.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Backends that all come, and all go, every few milliseconds. Its thread is younger than the app: libuv
// closes the app's descriptors behind TSan's back (syscall(SYS_close)), which would take their numbers,
// opened again here, for shared.
class Flapping {
 public:
  explicit Flapping(const std::vector<ReservedPort>& ports) : ports_(ports), thread_([this] { flap(); }) {}
  ~Flapping() {
    done_ = true;
    thread_.join();
  }
  Flapping(const Flapping&) = delete;
  Flapping& operator=(const Flapping&) = delete;

 private:
  void flap() {
    std::vector<Fd> listeners;
    while (!done_) {
      for (const ReservedPort& port : ports_) listeners.push_back(port.listen());
      std::this_thread::sleep_for(12ms);
      listeners.clear();
      std::this_thread::sleep_for(12ms);
    }
  }

  const std::vector<ReservedPort>& ports_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

TEST_CASE("a stop while states change ends cleanly, twenty times over") {
  constexpr std::size_t kBackends = 40;
  constexpr std::size_t kClients = 100;
  const std::vector<ReservedPort> ports(kBackends);
  std::vector<SocketAddress> addresses;
  for (const ReservedPort& port : ports) addresses.push_back(port.address());
  for (int round = 0; round < 20; ++round) {
    CAPTURE(round);
    AppUnderTest app({.backends = addresses, .workers = 2});
    const Flapping flapping(ports);
    // Clients give the workers something to end, and the checks the time to finish meanwhile.
    std::deque<HttpClient> clients;
    for (std::size_t i = 0; i < kClients; ++i) {
      REQUIRE(clients.emplace_back(HttpClient::Options{.address = app.address()}).connect() ==
              ClientError::None);
    }
    REQUIRE(app.log().wait_for("backend state changed", 3 * kBackends));
    CHECK(app.stop() < 1s);
    CHECK(app.log().wait_for("stopping, every client is reset"));
  }
}

}  // namespace
}  // namespace vipward::test
