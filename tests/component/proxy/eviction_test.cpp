// What becomes of running sessions when the state of their backend changes: the table of states, with real
// sessions. Drains: drain_test.cpp; the pace: pace_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Two backends; sessions go to the one that is ready.
struct Fixture {
  Backend first;
  Backend second;
  ProxyUnderTest proxy;

  explicit Fixture(Millis drain_timeout = 60s) : proxy(make_service(drain_timeout)) { ready(0, 1); }
  // `other` is left with `state`.
  void ready(std::size_t backend, std::size_t other, BackendState state = BackendState::NotReady) {
    proxy.set_state(backend, BackendState::Ready);
    proxy.set_state(other, state);
  }
  ServiceConfig make_service(Millis drain_timeout) const {
    ServiceConfig service = service_with({first.address(), second.address()});
    service.drain_timeout = drain_timeout;
    return service;
  }
};

bool all_work(std::vector<SessionPair>& sessions) {
  return std::all_of(sessions.begin(), sessions.end(), [](SessionPair& session) { return works(session); });
}

// Two turns of the pace have passed: what was to be closed at once would be.
void let_ticks_pass(Fixture& fixture) {
  for (int i = 0; i < 2; ++i) {
    const TimePoint start = Clock::now();
    wait_until([&] { return Clock::now() - start > 2 * kPaceTick; }, 1s);
    fixture.proxy.run_inside([] {});
  }
}

TEST_CASE("dead by refusal: older sessions are reset, another ready or not; newer ones are kept") {
  Fixture f;
  auto old_sessions = open_sessions(f.proxy, f.first, 5);
  SUBCASE("another is ready") {
    f.proxy.set_state(1, BackendState::Ready);
  }
  SUBCASE("none is ready") {
    f.proxy.set_state(1, BackendState::Drained);
  }
  f.proxy.set_state(0, BackendState::Dead, DeadCause::Refused);
  for (SessionPair& session : old_sessions) {
    CHECK(session.client.wait_end() == End::Reset);
    CHECK(session.backend.wait_end() == End::Reset);
  }
  CHECK(f.proxy.wait_closed(EndReason::BackendDead, 5));
  // As the last resort a client reaches the dead one, and it answers.
  f.proxy.set_state(1, BackendState::Drained);
  auto new_sessions = open_sessions(f.proxy, f.first, 3);
  f.proxy.set_state(1, BackendState::Ready);
  let_ticks_pass(f);
  CHECK(all_work(new_sessions));
  CHECK(f.proxy.closed(EndReason::BackendDead) == 5);
}

TEST_CASE("dead by silence: sessions are reset once another is ready, and left to TCP until then") {
  Fixture f;
  auto sessions = open_sessions(f.proxy, f.first, 5);
  f.proxy.set_state(0, BackendState::Dead, DeadCause::Silent);
  let_ticks_pass(f);
  CHECK(all_work(sessions));
  f.proxy.set_state(1, BackendState::Unknown);
  f.proxy.set_state(1, BackendState::Dead, DeadCause::Silent);
  let_ticks_pass(f);
  CHECK(all_work(sessions));
  f.proxy.set_state(1, BackendState::Ready);
  for (SessionPair& session : sessions) CHECK(session.client.wait_end() == End::Reset);
  CHECK(f.proxy.wait_closed(EndReason::BackendDead, 5));
}

TEST_CASE("not ready: sessions are kept, and closed after drain.timeout only while another is ready") {
  Fixture f(300ms);
  auto sessions = open_sessions(f.proxy, f.first, 5);
  SUBCASE("another is ready") {
    f.proxy.set_state(1, BackendState::Ready);
    const TimePoint start = Clock::now();
    f.proxy.set_state(0, BackendState::NotReady);
    for (SessionPair& session : sessions) CHECK(session.client.wait_end() == End::Reset);
    CHECK(Clock::now() - start >= 300ms);
  }
  SUBCASE("another becomes ready after the time") {
    f.proxy.set_standing({.service = 0, .backend = 0},
                         {.state = BackendState::NotReady, .since = Clock::now() - 1h});
    let_ticks_pass(f);
    CHECK(all_work(sessions));
    f.proxy.set_state(1, BackendState::Ready);
    for (SessionPair& session : sessions) CHECK(session.client.wait_end() == End::Reset);
  }
  CHECK(f.proxy.wait_closed(EndReason::BackendNotReady, 5));
}

TEST_CASE("not ready, but ready again before drain.timeout: not one session is closed") {
  Fixture f(1s);
  auto sessions = open_sessions(f.proxy, f.first, 5);
  f.proxy.set_state(1, BackendState::Ready);
  f.proxy.set_state(0, BackendState::NotReady);
  f.proxy.set_state(0, BackendState::Ready);
  const TimePoint start = Clock::now();
  wait_until([&] { return Clock::now() - start > 1100ms; }, 2s);
  let_ticks_pass(f);
  CHECK(all_work(sessions));
}

TEST_CASE("unknown, drained: sessions are kept") {
  Fixture f(0ms);
  auto sessions = open_sessions(f.proxy, f.first, 5);
  f.proxy.set_state(1, BackendState::Ready);
  f.proxy.set_state(0, BackendState::Unknown);
  let_ticks_pass(f);
  f.proxy.set_state(0, BackendState::Drained);
  let_ticks_pass(f);
  CHECK(all_work(sessions));
  CHECK(f.proxy.closed() == 0);
}

TEST_CASE("sessions of other backends and other services are not touched") {
  Backend doomed, other;
  ServiceConfig service = service_with({doomed.address()});
  ServiceConfig second = service_with({other.address()});
  second.name = "join";
  ProxyUnderTest proxy({service, second}, {});
  SessionPair lost = open_session(proxy, doomed);
  Peer client = Peer::connect_to(proxy.address(1));
  REQUIRE(client.send("x"));
  SessionPair kept{.client = std::move(client), .backend = other.accept()};
  REQUIRE(kept.backend.receive(1) == "x");
  proxy.set_state(0, BackendState::Dead, DeadCause::Refused);
  CHECK(lost.client.wait_end() == End::Reset);
  CHECK(works(kept));
}

TEST_CASE("a session that waits for its first byte is not of any backend and stays") {
  Fixture f;
  Peer waiting = f.proxy.connect();
  SessionPair lost = open_session(f.proxy, f.first);
  f.proxy.set_state(1, BackendState::Ready);
  f.proxy.set_state(0, BackendState::Dead, DeadCause::Refused);
  CHECK(lost.client.wait_end() == End::Reset);
  CHECK(waiting.send("x"));
  CHECK(f.second.accept().receive(1) == "x");
}

TEST_CASE("a backend that comes back in the middle of the pace keeps the rest") {
  Fixture f;
  constexpr std::size_t kSessions = 200;
  auto sessions = open_sessions(f.proxy, f.first, kSessions);
  f.proxy.set_state(0, BackendState::Dead, DeadCause::Refused);
  REQUIRE(f.proxy.wait_closed(EndReason::BackendDead, 10));
  f.proxy.set_state(0, BackendState::Ready);
  let_ticks_pass(f);
  const auto closed = f.proxy.closed();
  CHECK(closed < kSessions);
  let_ticks_pass(f);
  CHECK(f.proxy.closed() == closed);
  const auto alive =
      std::count_if(sessions.begin(), sessions.end(), [](SessionPair& session) { return works(session); });
  CHECK(static_cast<std::uint64_t>(alive) == kSessions - closed);
}

}  // namespace
}  // namespace vipward::test
