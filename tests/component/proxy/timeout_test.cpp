// Silence and its limits: idle_timeout, half_close_timeout, keepalive, tcp_user_timeout.
#include <doctest/doctest.h>

#include <thread>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("idle_timeout resets a silent session, and not one in which bytes move, whichever way") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.idle_timeout = 1s;
  ProxyUnderTest proxy(service);
  SessionPair silent = open_session(proxy, backend);
  SessionPair upwards = open_session(proxy, backend);
  SessionPair downwards = open_session(proxy, backend);
  const TimePoint start = Clock::now();
  while (Clock::now() < start + 2200ms) {
    REQUIRE(upwards.client.send("x"));
    REQUIRE(upwards.backend.receive(1) == "x");
    REQUIRE(downwards.backend.send("x"));
    REQUIRE(downwards.client.receive(1) == "x");
    std::this_thread::sleep_for(20ms);  // the pace of the traffic, nothing is waited for
  }
  CHECK(silent.client.wait_end() == End::Reset);
  CHECK(silent.backend.wait_end() == End::Reset);
  // A machine that paused for longer than the limit has cut the others rightly.
  CHECK(proxy.wait_closed(EndReason::IdleTimeout));
  CHECK(proxy.closed(EndReason::IdleTimeout) == 1);
  CHECK(works(upwards));
  CHECK(works(downwards));
}

TEST_CASE("without an idle_timeout nothing ends a silent session") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.first_data_timeout = 100ms;
  service.half_close_timeout = 100ms;
  service.connect_deadline = 100ms;
  service.connect_timeout = 100ms;
  service.drain_timeout = 100ms;
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  CHECK(proxy.connect().wait_end() == End::Reset);  // 100 ms have passed
  CHECK(proxy.connect().wait_end() == End::Reset);
  CHECK(works(pair));
}

TEST_CASE("half_close_timeout counts silence after one side has finished") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.half_close_timeout = 800ms;
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  const TimePoint start = Clock::now();
  SUBCASE("the client has finished, the backend says nothing") {
    pair.client.finish();
    CHECK(pair.backend.wait_end() == End::Eof);
    CHECK(pair.client.wait_end() == End::Reset);
    CHECK(Clock::now() - start >= 800ms);
  }
  SUBCASE("the backend has finished, the client says nothing") {
    pair.backend.finish();
    CHECK(pair.client.wait_end() == End::Eof);
    CHECK(proxy.wait_closed(EndReason::HalfCloseTimeout));
    CHECK(Clock::now() - start >= 800ms);
  }
  SUBCASE("an answer that goes on is not cut") {
    pair.client.finish();
    TimePoint last = start;
    while (Clock::now() < start + 1800ms) {
      last = Clock::now();
      REQUIRE(pair.backend.send("x"));
      REQUIRE(pair.client.receive(1) == "x");
      std::this_thread::sleep_for(10ms);  // the pace of the traffic
    }
    CHECK(proxy.sessions() == 1);
    CHECK(pair.client.wait_end() == End::Reset);
    CHECK(Clock::now() - last >= 800ms);
  }
  CHECK(proxy.wait_closed(EndReason::HalfCloseTimeout));
  CHECK(proxy.wait_empty());
}

// Holds the worker's thread for `length` while `meanwhile` happens: its timers are late, and so is all else.
template <class Meanwhile>
void stall(ProxyUnderTest& proxy, Duration length, Meanwhile&& meanwhile) {
  proxy.run_inside([&] {
    meanwhile();
    std::this_thread::sleep_for(length);
  });
}

TEST_CASE("a worker that was held up cuts nobody whose bytes came in time") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.first_data_timeout = 300ms;
  service.idle_timeout = 300ms;
  service.half_close_timeout = 300ms;
  ProxyUnderTest proxy(service);
  SUBCASE("its first byte") {
    Peer client = proxy.connect();
    REQUIRE(wait_until([&] { return proxy.sessions() == 1; }, kPatience, 1ms));
    stall(proxy, 600ms, [&] { client.send("x"); });
    Peer served = backend.accept();
    REQUIRE(served);
    CHECK(served.receive(1) == "x");
  }
  SUBCASE("bytes of the client") {
    SessionPair pair = open_session(proxy, backend);
    stall(proxy, 600ms, [&] { pair.client.send("y"); });
    CHECK(pair.backend.receive(1) == "y");
  }
  SUBCASE("bytes of the backend") {
    SessionPair pair = open_session(proxy, backend);
    stall(proxy, 600ms, [&] { pair.backend.send("y"); });
    CHECK(pair.client.receive(1) == "y");
  }
  SUBCASE("an orderly end") {
    SessionPair pair = open_session(proxy, backend);
    stall(proxy, 600ms, [&] {
      pair.client.finish();
      pair.backend.finish();
    });
    CHECK(pair.client.wait_end() == End::Eof);
    CHECK(pair.backend.wait_end() == End::Eof);
  }
}

TEST_CASE("a worker that was held up uses a connection that was made in time") {
  Backend backend;
  backend.go_deaf();
  ServiceConfig service = service_with({backend.address()});
  service.connect_timeout = 1300ms;
  ProxyUnderTest proxy(service);
  Peer client = proxy.connect();
  REQUIRE(client.send("x"));
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 1; }, kPatience, 1ms));
  // Its SYN is sent again after a second, and answered then.
  stall(proxy, 1800ms, [&] { backend.hear_again(); });
  Peer served = backend.accept();
  REQUIRE(served);
  CHECK(served.receive(1) == "x");
  CHECK(proxy.backend(0).connect_failures == 0);
}

TEST_CASE("of both limits the one that comes first ends a half-closed session, under its own name") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.idle_timeout = 200ms;
  service.half_close_timeout = 60s;
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  pair.client.finish();
  CHECK(pair.client.wait_end() == End::Reset);
  CHECK(proxy.wait_closed(EndReason::IdleTimeout));
}

TEST_CASE("a side that answers no keepalive is lost, and its session ends") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.keepalive = {.idle = 1s, .interval = 1s, .count = 1};
  ProxyUnderTest proxy(service);
  SessionPair client_lost = open_session(proxy, backend);
  SessionPair backend_lost = open_session(proxy, backend);
  SessionPair idle = open_session(proxy, backend);
  client_lost.client.go_deaf();
  backend_lost.backend.go_deaf();
  CHECK(proxy.wait_closed(EndReason::ClientLost));
  CHECK(proxy.wait_closed(EndReason::BackendLost));
  CHECK(client_lost.backend.wait_end() == End::Reset);
  CHECK(backend_lost.client.wait_end() == End::Reset);
  CHECK(works(idle));
  CHECK(wait_until([&] { return proxy.sessions() == 1; }, kPatience));
}

TEST_CASE("tcp_user_timeout ends a session whose reader takes nothing for so long") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.tcp_user_timeout = 1s;
  ProxyUnderTest proxy(service);
  const Pattern pattern(1);
  SUBCASE("the client does not read") {
    SessionPair pair = open_session(proxy, backend, 16 * 1024);
    CHECK(send_pattern(pair.backend, pattern, 1 << 30) < (1 << 30));
    CHECK(proxy.wait_closed(EndReason::ClientLost));
    CHECK(pair.backend.wait_end() == End::Reset);
  }
  SUBCASE("the backend does not read") {
    SessionPair pair = open_session(proxy, backend);
    CHECK(send_pattern(pair.client, pattern, 1 << 30) < (1 << 30));
    CHECK(proxy.wait_closed(EndReason::BackendLost));
    CHECK(pair.client.wait_end() == End::Reset);
  }
}

}  // namespace
}  // namespace vipward::test
