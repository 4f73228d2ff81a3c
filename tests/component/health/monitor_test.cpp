// The monitor's rhythm, several backends, and its end.
#include <doctest/doctest.h>

#include <mutex>

#include "tests/component/health/bench.h"
#include "tests/support/fake_server.h"

namespace vipward::test {
namespace {

FakeServer::Script all_well() {
  return http_script([](const std::string&) { return http_response(200); });
}

}  // namespace

TEST_CASE("the next check starts an interval after the last one has ended") {
  using Clock = std::chrono::steady_clock;
  std::mutex mutex;
  std::vector<Clock::time_point> begins;
  std::vector<Clock::time_point> ends;
  FakeServer server({}, [&](FakeConnection& connection) {
    {
      const std::lock_guard lock(mutex);
      begins.push_back(Clock::now());
    }
    const std::string request = connection.read_request();
    std::this_thread::sleep_for(std::chrono::milliseconds{100});  // a slow server
    {
      const std::lock_guard lock(mutex);
      ends.push_back(Clock::now());
    }
    connection.write(http_response(200));
    connection.wait_for_close();
  });
  ServiceConfig service = Bench::service(server.address(), CheckProtocol::Http);
  service.health_check.interval = Millis{150};
  service.health_check.paths = {"/readyz"};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until([&] { return server.accepted() >= 4; }));
  const std::lock_guard lock(mutex);
  for (std::size_t i = 1; i < begins.size() && i <= ends.size(); ++i) {
    CHECK(begins[i] - ends[i - 1] >= std::chrono::milliseconds{145});
    CHECK(begins[i] - ends[i - 1] < std::chrono::milliseconds{1500});
  }
}

TEST_CASE("the first check of every backend comes at once, and each backend has its own state") {
  FakeServer good({}, all_well());
  FakeServer bad({}, http_script([](const std::string&) { return http_response(500); }));
  ServiceConfig first = Bench::service(good.address(), CheckProtocol::Http);
  first.backends.push_back({.name = "master-2", .address = bad.address()});
  first.health_check.interval = Millis{60'000};
  ServiceConfig second = first;
  second.name = "registration";
  second.backends.pop_back();
  Bench bench;
  bench.start({first, second}, {{}, {}});
  const auto all_checked = [&] {
    for (const auto& service : bench.monitor().snapshot()) {
      for (const auto& backend : service) {
        if (!backend.last_check) return false;
      }
    }
    return true;
  };
  CHECK(bench.run_until(all_checked));
  const auto health = bench.monitor().snapshot();
  REQUIRE(health.size() == 2);
  REQUIRE(health[0].size() == 2);
  CHECK(health[0][0].state == BackendState::Ready);
  CHECK(health[0][1].state == BackendState::NotReady);
  CHECK(health[1][0].state == BackendState::Ready);
  for (const HealthChange& change : bench.changes()) {
    const bool is_bad = change.backend == BackendId{.service = 0, .backend = 1};
    CHECK(change.state == (is_bad ? BackendState::NotReady : BackendState::Ready));
  }
  CHECK(bench.run_until_logged("service=registration backend=master-1 from=unknown to=ready"));
}

TEST_CASE("a session's refused connect triggers a check at once") {
  FakeServer server({}, all_well());
  ServiceConfig service = Bench::service(server.address(), CheckProtocol::Http);
  service.health_check.interval = Millis{60'000};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_checked(1));
  bench.monitor().on_connect_refused({.service = 0, .backend = 0});
  CHECK(bench.run_until_checked(2));
}

TEST_CASE("a storm of refused connects makes no storm of checks") {
  FakeServer server({}, all_well());
  ServiceConfig service = Bench::service(server.address(), CheckProtocol::Http);
  service.health_check.interval = Millis{60'000};
  service.health_check.fast_interval = Millis{200};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_checked(1));
  const TimePoint end = bench.now() + std::chrono::milliseconds{500};
  CHECK(bench.run_until([&] {
    bench.monitor().on_connect_refused({.service = 0, .backend = 0});
    return bench.now() >= end;
  }));
  CHECK(bench.checks() >= 2);
  CHECK(bench.checks() <= 5);
}

TEST_CASE("no descriptor is left behind by 200 checks") {
  const TestCa ca;
  const FakeServer::Tls tls{.certificate = ca.issue_for_loopback()};
  auto server = std::make_unique<FakeServer>(FakeServer::Options{.tls = tls}, all_well());
  ServiceConfig service = Bench::service(server->address());
  service.health_check.interval = Millis{1};
  service.health_check.fast_interval = Millis{1};
  Bench bench;
  bench.start(service, {.ca_pem = ca.certificate_pem()});
  CHECK(bench.run_until_checked(5));
  const int before = open_descriptors();
  CHECK(bench.run_until_checked(200));
  // Those of the check under way, and of its connections at the server.
  CHECK(open_descriptors() < before + 10);
  server.reset();
  CHECK(bench.run_until_state(BackendState::Dead));
  CHECK(bench.run_until_checked(300));
  CHECK(open_descriptors() < before + 10);
}

TEST_CASE("a monitor that goes while checks run leaves nothing behind") {
  const TestCa ca;
  FakeServer silent({}, silent_script());
  FakeServer tls({.tls = FakeServer::Tls{.certificate = ca.issue_for_loopback()}}, silent_script());
  const int before = open_descriptors();
  {
    Bench bench;
    bench.start({Bench::service(silent.address(), CheckProtocol::Http), Bench::service(tls.address()),
                 Bench::service(silent.address(), CheckProtocol::Tls),
                 Bench::service(silent.address(), CheckProtocol::Tcp)},
                {{}, {.ca_pem = ca.certificate_pem()}, {.ca_pem = ca.certificate_pem()}, {}});
    CHECK(bench.run_until([&] { return silent.accepted() >= 3 && tls.accepted() >= 1; }));
  }
  CHECK(open_descriptors() <= before + 4);  // the server's ends, which close in their own time
}

}  // namespace vipward::test
