// A backend that the operator has drained, or that the configuration no longer names, with real sessions.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/component/proxy/log_times.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Two ready backends; sessions go to the first one while the second is drained.
struct Fixture {
  Backend first;
  Backend second;
  ProxyUnderTest proxy;

  Fixture() : proxy(service_with({first.address(), second.address()})) {
    proxy.set_state(0, BackendState::Ready);
  }
  std::vector<SessionPair> sessions_of_first(std::size_t count) {
    drain(1, {});
    auto sessions = open_sessions(proxy, first, count);
    proxy.set_state(1, BackendState::Ready);
    return sessions;
  }
  void drain(std::size_t backend, const Drain& drain, BackendState state = BackendState::Ready,
             DeadCause cause = DeadCause::None) {
    proxy.set_standing({.service = 0, .backend = backend},
                       {.state = state, .dead_cause = cause, .since = Clock::now(), .drain = drain});
  }
  // Two turns of the pace have passed: what was to be closed at once would be.
  void let_ticks_pass() {
    for (int i = 0; i < 2; ++i) {
      const TimePoint start = Clock::now();
      wait_until([&] { return Clock::now() - start > 2 * kPaceTick; }, 1s);
      proxy.run_inside([] {});
    }
  }
};

bool all_work(std::vector<SessionPair>& sessions) {
  return std::ranges::all_of(sessions, [](SessionPair& session) { return works(session); });
}

bool all_are_reset(std::vector<SessionPair>& sessions) {
  return std::ranges::all_of(sessions, [](SessionPair& session) {
    return session.client.wait_end() == End::Reset && session.backend.wait_end() == End::Reset;
  });
}

TEST_CASE("a drained backend gets nothing new and keeps what it has, for ever without a deadline") {
  Fixture f;
  auto old_sessions = f.sessions_of_first(5);
  for (const BackendState state : {BackendState::Ready, BackendState::NotReady, BackendState::Unknown}) {
    CAPTURE(to_string(state));
    f.drain(0, {}, state);
    auto new_sessions = open_sessions(f.proxy, f.second, 10);
    CHECK_FALSE(f.first.is_called());
    CHECK(all_work(old_sessions));
  }
  f.let_ticks_pass();
  CHECK(all_work(old_sessions));
  CHECK(f.proxy.closed(EndReason::BackendDrained) == 0);
}

TEST_CASE("undrained in time a backend keeps its sessions and gets new ones") {
  Fixture f;
  auto sessions = f.sessions_of_first(5);
  f.drain(0, {.deadline = Clock::now() + 300ms});
  f.proxy.set_state(0, BackendState::Ready);
  f.drain(1, {});
  const TimePoint start = Clock::now();
  wait_until([&] { return Clock::now() - start > 400ms; }, 1s);
  f.let_ticks_pass();
  CHECK(all_work(sessions));
  open_session(f.proxy, f.first);
}

TEST_CASE("from the deadline on the sessions of a drained backend are closed") {
  Fixture f;
  auto sessions = f.sessions_of_first(5);
  const TimePoint deadline = Clock::now() + 300ms;
  f.drain(0, {.deadline = deadline});
  CHECK(all_work(sessions));
  CHECK(all_are_reset(sessions));
  CHECK(Clock::now() >= deadline);
  CHECK(f.proxy.wait_closed(EndReason::BackendDrained, 5));
  CHECK(f.proxy.wait_logged("reason=backend_drained", 5));
}

TEST_CASE("after the deadline they stay while no other backend is ready, and one that is drained is none") {
  Fixture f;
  auto sessions = f.sessions_of_first(5);
  f.proxy.set_state(1, BackendState::NotReady);
  f.drain(0, {.deadline = Clock::now() - 1s});
  f.let_ticks_pass();
  CHECK(all_work(sessions));
  f.drain(1, {});
  f.let_ticks_pass();
  CHECK(all_work(sessions));
  f.proxy.set_state(1, BackendState::Ready);
  CHECK(all_are_reset(sessions));
  CHECK(f.proxy.wait_closed(EndReason::BackendDrained, 5));
}

TEST_CASE("a drained backend that is found dead loses its sessions as a dead one") {
  Fixture f;
  auto sessions = f.sessions_of_first(5);
  f.drain(0, {}, BackendState::Dead, DeadCause::Silent);
  CHECK(all_are_reset(sessions));
  CHECK(f.proxy.wait_closed(EndReason::BackendDead, 5));
}

TEST_CASE("with every backend drained a new client is reset at once, and the old ones stay") {
  Fixture f;
  auto sessions = f.sessions_of_first(3);
  f.drain(1, {});
  f.drain(0, {.deadline = Clock::now() - 1s});
  Peer client = f.proxy.connect();
  CHECK(client.wait_end() == End::Reset);
  CHECK(f.proxy.rejected(RejectReason::NoBackend) == 1);
  f.let_ticks_pass();
  CHECK(f.proxy.closed(EndReason::BackendDrained) == 0);
}

TEST_CASE("a removed backend keeps its sessions until its time, and loses them also when it is alone") {
  Fixture f;
  auto sessions = f.sessions_of_first(5);
  f.proxy.set_state(1, BackendState::Dead, DeadCause::Refused);
  const TimePoint deadline = Clock::now() + 300ms;
  f.drain(0, {.deadline = deadline, .removed = true});
  CHECK(all_work(sessions));
  CHECK(all_are_reset(sessions));
  CHECK(Clock::now() >= deadline);
  CHECK(f.proxy.wait_closed(EndReason::BackendRemoved, 5));
}

TEST_CASE("the sessions of a drained backend are closed at a pace, never more than a tenth in 100 ms") {
  Fixture f;
  constexpr std::size_t kSessions = 200;
  auto sessions = f.sessions_of_first(kSessions);
  const TimePoint start = Clock::now();
  f.drain(0, {.deadline = start});
  REQUIRE(f.proxy.wait_closed(EndReason::BackendDrained, 10));
  // In the middle of it: a drain that is taken back keeps the rest.
  SUBCASE("to the end") {
    REQUIRE(f.proxy.wait_closed(EndReason::BackendDrained, kSessions));
    CHECK(Clock::now() - start >= 1s);
    REQUIRE(f.proxy.wait_logged("reason=backend_drained", kSessions));
    CHECK(most_within(times_of(f.proxy.logged("reason=backend_drained")), 100ms) <= kSessions / 10);
  }
  SUBCASE("until it is taken back") {
    f.proxy.set_state(0, BackendState::Ready);
    const auto closed = f.proxy.closed();
    CHECK(closed < kSessions);
    f.let_ticks_pass();
    CHECK(f.proxy.closed() == closed);
    const auto alive = std::ranges::count_if(sessions, [](SessionPair& session) { return works(session); });
    CHECK(static_cast<std::uint64_t>(alive) == kSessions - closed);
  }
}

TEST_CASE("a session that was on its way when the deadline passed does not stay behind") {
  Backend slow, other;
  ServiceConfig service = service_with({slow.address(), other.address()});
  service.connect_timeout = 10s;
  service.connect_deadline = 10s;
  ProxyUnderTest proxy(service);
  proxy.set_state(0, BackendState::Ready);
  SessionPair established = open_session(proxy, slow);
  slow.go_deaf();
  Peer client = proxy.connect();
  REQUIRE(client.send("x"));
  REQUIRE(wait_until([&] { return proxy.sessions_of(0) == 2; }, kPatience));
  proxy.set_state(1, BackendState::Ready);
  proxy.set_standing({.service = 0, .backend = 0},
                     {.state = BackendState::Ready, .drain = Drain{.deadline = Clock::now() - 1s}});
  CHECK(established.client.wait_end() == End::Reset);
  // Its SYN is repeated after a second.
  slow.hear_again();
  CHECK(client.wait_end() == End::Reset);
  CHECK(proxy.wait_closed(EndReason::BackendDrained, 2));
  CHECK_FALSE(other.is_called());
}

}  // namespace
}  // namespace vipward::test
