// Protocol tcp, and what all protocols have in common when nobody is there.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/component/health/bench.h"
#include "tests/support/fake_server.h"

namespace vipward::test {
namespace {

// A port that refuses: bound once, free again.
SocketAddress refusing_address() {
  return FakeServer({}, silent_script()).address();
}

// Connections to a listener whose queue is full wait in SYN_SENT: the kernel drops what arrives.
class BlackHole {
 public:
  BlackHole() : server_({.backlog = 0, .accepts = false}, nullptr) {
    for (int i = 0; i < 8; ++i) {
      Fd& fd = fillers_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_storage storage{};
      const socklen_t size = server_.address().to_sockaddr(storage);
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size);
    }
  }
  SocketAddress address() const { return server_.address(); }

 private:
  FakeServer server_;
  std::vector<Fd> fillers_;
};

}  // namespace

TEST_CASE("tcp: a backend that accepts is ready, and sees an orderly end, no reset") {
  FakeServer server({}, silent_script());
  Bench bench;
  bench.start(Bench::service(server.address(), CheckProtocol::Tcp));
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.last().detail == "connected");
  CHECK(bench.run_until([&] { return server.finished().size() >= 3; }));
  for (const FakeConnectionRecord& connection : server.finished()) CHECK_FALSE(connection.reset);
}

TEST_CASE("tcp: a backend that greets first sees an orderly end too") {
  FakeServer server({}, [](FakeConnection& connection) {
    connection.write("220 welcome\r\n");
    connection.wait_for_close();
  });
  Bench bench;
  bench.start(Bench::service(server.address(), CheckProtocol::Tcp));
  CHECK(bench.run_until([&] { return server.finished().size() >= 3; }));
  for (const FakeConnectionRecord& connection : server.finished()) CHECK_FALSE(connection.reset);
}

TEST_CASE("a refused connect is no answer in phase connect, and `fall` of them are dead: refused") {
  Bench bench;
  bench.start(Bench::service(refusing_address()));
  bench.stop();
  ServiceConfig service = Bench::service(refusing_address(), CheckProtocol::Tcp);
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Dead));
  const BackendHealth health = bench.health();
  CHECK(health.dead_cause == DeadCause::Refused);
  CHECK(health.checks[static_cast<std::size_t>(CheckResult::NoAnswer)] == 3);
  CHECK(health.last_check->result == CheckResult::NoAnswer);
  CHECK(health.last_check->phase == CheckPhase::Connect);
  CHECK(health.reason == "connect: Connection refused");
  CHECK(bench.run_until_logged("backend state changed"));
  CHECK(bench.logged("from=unknown to=dead cause=refused reason=\"connect: Connection refused\" checks=3") ==
        1);
}

TEST_CASE("refused connects are checked again after fast_interval, timeouts after interval") {
  ServiceConfig service = Bench::service(refusing_address(), CheckProtocol::Tcp);
  service.health_check.interval = Millis{60'000};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Dead));

  const BlackHole hole;
  ServiceConfig silent = Bench::service(hole.address(), CheckProtocol::Tcp);
  silent.health_check.connect_timeout = Millis{50};
  silent.health_check.interval = Millis{60'000};
  Bench other;
  other.start(silent);
  CHECK(other.run_until_checked());
  CHECK_FALSE(other.run_until([&] { return other.checks() > 1; }, std::chrono::milliseconds{200}));
}

TEST_CASE("a black hole is no answer in phase connect after connect_timeout, and dead: silent") {
  const BlackHole hole;
  ServiceConfig service = Bench::service(hole.address(), CheckProtocol::Tcp);
  service.health_check.connect_timeout = Millis{100};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Dead));
  CHECK(bench.health().dead_cause == DeadCause::Silent);
  CHECK(bench.last().detail == "connect: no answer within 100ms");
  CHECK(bench.last().duration >= std::chrono::milliseconds{95});
}

TEST_CASE("a dead backend that answers again becomes ready, and a change of the cause is told") {
  const SocketAddress address = refusing_address();
  Bench bench;
  bench.start(Bench::service(address, CheckProtocol::Tcp));
  CHECK(bench.run_until_state(BackendState::Dead));
  FakeServer server({.port = address.port()}, silent_script());
  CHECK(bench.run_until_state(BackendState::Ready));
  REQUIRE(bench.changes().size() == 3);
  CHECK(bench.changes()[0].state == BackendState::Dead);
  CHECK(bench.changes()[1].state == BackendState::NotReady);
  CHECK(bench.changes()[2].state == BackendState::Ready);
  CHECK(bench.changes()[2].dead_cause == DeadCause::None);
}

TEST_CASE("`port` replaces the backend's port for the check") {
  FakeServer server({}, silent_script());
  ServiceConfig service = Bench::service(SocketAddress(server.address().ip(), 1), CheckProtocol::Tcp);
  service.health_check.port = server.address().port();
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Ready));
}

}  // namespace vipward::test
