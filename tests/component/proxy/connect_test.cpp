// From the first byte to an established session: whom is connected to, and what happens when that fails.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "lb/net/socket.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Bounds for what should take `limit`: not before it, and within what a busy machine needs.
struct Stopwatch {
  TimePoint start = Clock::now();
  bool took_about(Duration limit) const {
    const Duration elapsed = Clock::now() - start;
    return elapsed >= limit && elapsed < limit + 5s;
  }
};

TEST_CASE("a client is connected once it has sent a byte, and what it sent arrives") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  Peer client = proxy.connect();
  CHECK(client.send("hello"));
  Peer served = backend.accept();
  REQUIRE(served);
  CHECK(served.receive(5) == "hello");
  CHECK(proxy.sessions() == 1);
  CHECK(proxy.sessions_of(0) == 1);
  CHECK(proxy.backend(0).sessions == 1);
  CHECK(proxy.backend(0).connects_measured == 1);
}

TEST_CASE("a refused backend is counted and reported, and the next one serves") {
  const RefusingAddress refusing;
  Backend backend;
  ServiceConfig service = service_with({refusing.address(), backend.address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  CHECK(works(pair));
  CHECK(proxy.backend(0).connect_failures == 1);
  CHECK(proxy.backend(0).sessions == 0);
  CHECK(proxy.backend(0).connects_measured == 0);
  CHECK(proxy.backend(1).connect_failures == 0);
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.sessions_of(1) == 1);
  CHECK(proxy.refusals() == std::vector<BackendId>{{.service = 0, .backend = 0}});
  CHECK(proxy.wait_logged("connect failed service=api backend=backend-0"));
  CHECK(proxy.logged("connect failed").at(0).ends_with("error=\"Connection refused\""));
}

TEST_CASE("every backend refuses: the client is reset at once, each was tried once") {
  const RefusingAddress a, b, c;
  ProxyUnderTest proxy(service_with({a.address(), b.address(), c.address()}));
  Peer client = proxy.connect();
  CHECK(client.send("hello"));
  CHECK(client.wait_end() == End::Reset);
  CHECK(proxy.wait_closed(EndReason::NoBackend));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(proxy.backend(i).connect_failures == 1);
    CHECK(proxy.sessions_of(i) == 0);
  }
  CHECK(proxy.refusals().size() == 3);
  CHECK(proxy.wait_empty());
}

TEST_CASE("a black-holed backend costs connect.timeout, then the next one serves; no refusal is reported") {
  Backend hole, backend;
  hole.go_deaf();
  ServiceConfig service = service_with({hole.address(), backend.address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  service.connect_timeout = 200ms;
  ProxyUnderTest proxy(service);
  const Stopwatch watch;
  SessionPair pair = open_session(proxy, backend);
  CHECK(watch.took_about(200ms));
  CHECK(works(pair));
  CHECK(proxy.backend(0).connect_failures == 1);
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.refusals().empty());
}

TEST_CASE("a backend whose queue of connections is full is a black hole too") {
  Backend full, backend;
  // listen(2), Linux: may be called again, to change the backlog. One connection fits into a queue of none.
  REQUIRE(listen(full.listener(), 0) == 0);
  std::vector<Fd> fillers;
  for (int i = 0; i < 3; ++i) {
    Fd& filler = fillers.emplace_back(open_tcp(AF_INET));
    start_connect(filler.get(), full.address());
  }
  ServiceConfig service = service_with({full.address(), backend.address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  service.connect_timeout = 200ms;
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  CHECK(works(pair));
  CHECK(proxy.backend(0).connect_failures == 1);
}

TEST_CASE("every backend is a black hole: the client is reset when connect.deadline has passed") {
  Backend a, b, c;
  for (Backend* hole : {&a, &b, &c}) hole->go_deaf();
  ServiceConfig service = service_with({a.address(), b.address(), c.address()});
  service.connect_timeout = 200ms;
  service.connect_deadline = 500ms;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  const Stopwatch watch;
  CHECK(client.send("hello"));
  CHECK(client.wait_end() == End::Reset);
  CHECK(watch.took_about(500ms));
  CHECK(proxy.wait_closed(EndReason::ConnectDeadline));
  CHECK(proxy.wait_empty());
  // Three attempts fit, fewer on a machine that is slow.
  const auto failures = proxy.backend(0).connect_failures + proxy.backend(1).connect_failures +
                        proxy.backend(2).connect_failures;
  CHECK(failures >= 1);
  CHECK(failures <= 3);
}

TEST_CASE("attempts left over before connect.deadline end the session when the last one fails") {
  Backend a, b;
  a.go_deaf();
  b.go_deaf();
  ServiceConfig service = service_with({a.address(), b.address()});
  service.connect_timeout = 100ms;
  service.connect_deadline = 10s;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  const Stopwatch watch;
  CHECK(client.send("hello"));
  CHECK(client.wait_end() == End::Reset);
  CHECK(watch.took_about(200ms));
  CHECK(proxy.wait_closed(EndReason::NoBackend));
}

TEST_CASE("a black hole that answers in time serves after all") {
  Backend hole;
  hole.go_deaf();
  ServiceConfig service = service_with({hole.address()});
  service.connect_timeout = 15s;
  service.connect_deadline = 15s;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  CHECK(client.send("hello"));
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 1; }, kPatience));
  hole.hear_again();  // the kernel sends its SYN again after a second
  Peer served = hole.accept();
  REQUIRE(served);
  CHECK(served.receive(5) == "hello");
}

TEST_CASE("a client that gives up while its backend is connected to ends the attempt") {
  Backend hole;
  hole.go_deaf();
  ServiceConfig service = service_with({hole.address()});
  service.connect_timeout = 60s;
  service.connect_deadline = 60s;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  CHECK(client.send("hello"));
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 1; }, kPatience));
  client.reset();
  CHECK(proxy.wait_closed(EndReason::ClientReset));
  CHECK(proxy.wait_empty());
  CHECK(proxy.sessions_of(0) == 0);
}

TEST_CASE("a client that finishes sending while its backend is connected to is still served") {
  Backend hole;
  hole.go_deaf();
  ServiceConfig service = service_with({hole.address()});
  service.connect_timeout = 15s;
  service.connect_deadline = 15s;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  CHECK(client.send("request"));
  client.finish();
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 1; }, kPatience));
  hole.hear_again();
  Peer served = hole.accept();
  REQUIRE(served);
  CHECK(served.receive(100) == "request");
  CHECK(served.send("answer"));
  served.finish();
  CHECK(client.receive(100) == "answer");
  CHECK(proxy.wait_closed(EndReason::ClientClosed));
}

TEST_CASE("a client that sends nothing is reset after first_data_timeout, no backend ever sees it") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.first_data_timeout = 200ms;
  ProxyUnderTest proxy(service);
  const Stopwatch watch;
  Peer client = proxy.connect();
  CHECK(client.wait_end() == End::Reset);
  CHECK(watch.took_about(200ms));
  CHECK(proxy.wait_closed(EndReason::FirstDataTimeout));
  CHECK_FALSE(backend.is_called());
  CHECK(proxy.backend(0).sessions == 0);
}

TEST_CASE("a first byte in time ends the wait for good") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.first_data_timeout = 800ms;
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  // A second client shows that the time has come and gone.
  CHECK(proxy.connect().wait_end() == End::Reset);
  CHECK(works(pair));
}

TEST_CASE("a bare TCP probe never reaches a backend, whether it closes or resets, and is no news") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  proxy.connect().close();
  proxy.connect().reset();
  Peer half = proxy.connect();
  half.finish();
  CHECK(half.wait_end() == End::Eof);
  CHECK(proxy.wait_closed(EndReason::ClientLeft, 3));
  CHECK_FALSE(backend.is_called());
  CHECK(proxy.backend(0).sessions == 0);
  REQUIRE(proxy.wait_logged("reason=client_left", 3));
  for (const std::string& line : proxy.logged("reason=client_left")) {
    CHECK(line.find(" debug session ended ") != std::string::npos);
  }
}

TEST_CASE("with first_data_timeout off a backend that speaks first is connected to at once") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.first_data_timeout.reset();
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  Peer served = backend.accept();
  REQUIRE(served);
  CHECK(served.send("220 welcome"));
  CHECK(client.receive(11) == "220 welcome");
}

TEST_CASE("backends of both address families serve, one after the other's failure") {
  const RefusingAddress refusing;
  Backend backend("[::1]:0");
  ServiceConfig service = service_with({refusing.address(), backend.address()});
  service.balance = BalanceAlgorithm::RoundRobin;
  SUBCASE("IPv4 is the first") {}
  SUBCASE("IPv6 is the first") {
    std::swap(service.backends[0], service.backends[1]);
  }
  ProxyUnderTest proxy(service);
  for (int i = 0; i < 8; ++i) {
    SessionPair pair = open_session(proxy, backend);
    CHECK(works(pair));
  }
  CHECK(proxy.backend(0).connect_failures + proxy.backend(1).connect_failures > 0);
  CHECK(proxy.wait_empty());
}

TEST_CASE("a client that was reset before it was looked at, with bytes sent, ends") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  proxy.run_inside([&] {
    Peer client = proxy.connect();
    client.send("hello");
    client.reset();
  });
  CHECK(proxy.wait_closed(EndReason::ClientReset));
  CHECK(proxy.wait_empty());
}

TEST_CASE("ready backends first, then unknown and not ready ones, then the dead; drained never") {
  Backend drained, dead, unknown;
  ProxyUnderTest proxy(service_with({drained.address(), dead.address(), unknown.address()}));
  proxy.set_state(0, BackendState::Drained);
  proxy.set_state(1, BackendState::Dead, DeadCause::Silent);
  const auto serves = [&](Backend& backend) {
    SessionPair pair = open_session(proxy, backend);
    return works(pair);
  };
  CHECK(serves(unknown));
  proxy.set_state(1, BackendState::Ready);
  CHECK(serves(dead));
  proxy.set_state(1, BackendState::Dead, DeadCause::Silent);
  unknown.refuse();
  CHECK(serves(dead));
  CHECK_FALSE(drained.is_called());
}

}  // namespace
}  // namespace vipward::test
