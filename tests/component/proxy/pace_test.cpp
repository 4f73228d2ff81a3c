// How fast the sessions of a backend are closed: at a pace, so that their clients do not all return in one
// instant.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/component/proxy/crowd.h"
#include "tests/component/proxy/log_times.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("500 sessions are reset at a pace: about two seconds, never more than a tenth in 100 ms") {
  constexpr std::size_t kSessions = 500;
  Backend first, second;
  ProxyUnderTest proxy(service_with({first.address(), second.address()}));
  proxy.set_state(0, BackendState::Ready);
  auto sessions = open_sessions(proxy, first, kSessions);
  proxy.set_state(1, BackendState::Ready);
  const TimePoint start = Clock::now();
  proxy.set_state(0, BackendState::Dead, DeadCause::Refused);
  SUBCASE("in peace") {}
  SUBCASE("while the states of others change, which is no reason for haste") {
    for (int i = 0; i < 100; ++i) {
      proxy.set_state(1, BackendState::Ready);
      wait_until([] { return false; }, 10ms, 10ms);
    }
  }
  REQUIRE(proxy.wait_closed(EndReason::BackendDead, kSessions));
  const Duration took = Clock::now() - start;
  CHECK(took >= 1s);
  CHECK(took < 10s);
  REQUIRE(proxy.wait_logged("reason=backend_dead", kSessions));
  CHECK(most_within(times_of(proxy.logged("reason=backend_dead")), 100ms) <= kSessions / 10);
  for (SessionPair& session : sessions) CHECK(session.client.wait_end() == End::Reset);
}

// That the pace is one of three seconds at most is the unit test's: here a machine may be busy.
TEST_CASE("a dead backend with 3,000 sessions loses all at that pace, never more than a tenth in 100 ms") {
  constexpr std::size_t kSessions = 3000;
  REQUIRE_MESSAGE(Crowd::raise_descriptor_limit(kSessions), "a hard limit of 6,200 descriptors is needed");
  unsigned workers = 1;
  SUBCASE("with one worker") {}
  SUBCASE("with four, which do not know of each other's pace") {
    workers = 4;
  }
  Crowd crowd;
  Backend other;
  ProxyUnderTest proxy(service_with({crowd.backend(), other.address()}), {.workers = workers});
  proxy.set_state(0, BackendState::Ready);
  crowd.use(proxy);
  REQUIRE(crowd.open(kSessions) == kSessions);
  proxy.set_state(1, BackendState::Ready);
  const LogTime dead_at = log_time_now();
  proxy.set_state(0, BackendState::Dead, DeadCause::Refused);
  REQUIRE(proxy.wait_logged("reason=backend_dead", kSessions));
  CHECK(proxy.closed(EndReason::BackendDead) == kSessions);
  auto times = times_of(proxy.logged("reason=backend_dead"));
  std::ranges::sort(times);  // of several workers
  const auto took = times.back() - dead_at;
  const std::size_t most = most_within(times, 100ms);
  MESSAGE("all within ", took.count() / 1000, " ms, at most ", most, " within 100 ms");
  CHECK(took < 10s);
  CHECK(most <= kSessions / 10);
  CHECK(crowd.count_resets() == kSessions);
}

}  // namespace
}  // namespace vipward::test
