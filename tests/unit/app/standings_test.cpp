#include "lb/app/standings.h"

#include <doctest/doctest.h>

#include "tests/unit/app/two_services.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;
using Ids = std::vector<BackendId>;
using Drained = std::vector<channel::DrainedBackend>;

constexpr TimePoint kNow{1000s};
constexpr std::int64_t kWallMs = 1'795'597'936'250;
constexpr Standings::WallTime kWall{std::chrono::milliseconds(kWallMs)};
constexpr BackendId kFirst{.service = 0, .backend = 0};
constexpr BackendId kLast{.service = 1, .backend = 1};
constexpr BackendId kDeparting{.service = 0, .backend = 2};

EffectiveServices services() {
  return effective_services(two_services(),
                            {{"api", "master-3", "10.0.0.13:6443", nanoseconds(kNow + 130s)}});
}

TEST_CASE("what departs is drained from the start, as removed, until its time") {
  const Standings standings(services(), kNow, kWall);
  CHECK_FALSE(standings.of(kFirst).drain);
  const auto& drain = standings.of(kDeparting).drain;
  REQUIRE(drain);
  CHECK(drain->removed);
  CHECK(drain->deadline == kNow + 130s);
  CHECK(drain->deadline_wall == kWall + 130s);
}

TEST_CASE("what the checks find out and what the operator has drained do not touch each other") {
  Standings standings(services(), kNow, kWall);
  CHECK(standings.set_drains({{.service = 0, .backend = 0, .since_unix_ms = kWallMs - 5000}}, kNow, kWall) ==
        Ids{kFirst});
  const BackendStanding& dead = standings.set_health({.backend = kFirst,
                                                      .state = BackendState::Dead,
                                                      .dead_cause = DeadCause::Silent,
                                                      .may_be_our_path = true,
                                                      .since = kNow + 1s});
  CHECK(dead.state == BackendState::Dead);
  CHECK(dead.dead_cause == DeadCause::Silent);
  CHECK(dead.may_be_our_path);
  CHECK(dead.since == kNow + 1s);
  REQUIRE(dead.drain);
  CHECK(dead.drain->since == kWall - 5s);
  CHECK_FALSE(dead.drain->deadline);
  CHECK_FALSE(dead.drain->removed);
  CHECK(standings.set_drains({}, kNow, kWall) == Ids{kFirst});
  CHECK(standings.of(kFirst).state == BackendState::Dead);
  CHECK_FALSE(standings.of(kFirst).drain);
}

TEST_CASE("a deadline of the wall clock becomes one of the steady clock when it is heard") {
  Standings standings(services(), kNow, kWall);
  const channel::DrainedBackend future{
      .service = 0, .backend = 0, .since_unix_ms = kWallMs, .deadline_unix_ms = kWallMs + 90'000};
  const channel::DrainedBackend past{
      .service = 1, .backend = 1, .since_unix_ms = kWallMs, .deadline_unix_ms = kWallMs - 10'000};
  CHECK(standings.set_drains({future, past}, kNow, kWall) == Ids{kFirst, kLast});
  CHECK(standings.of(kFirst).drain->deadline == kNow + 90s);
  CHECK(standings.of(kFirst).drain->deadline_wall == kWall + 90s);
  CHECK(standings.of(kLast).drain->deadline == kNow - 10s);
  // Heard again after the wall clock was set: nothing has changed, and nobody is told.
  CHECK(standings.set_drains({future, past}, kNow + 5s, kWall + 1h).empty());
  CHECK(standings.of(kFirst).drain->deadline == kNow + 90s);
}

TEST_CASE("only those whose drain is another one are returned") {
  Standings standings(services(), kNow, kWall);
  channel::DrainedBackend first{.service = 0, .backend = 0, .since_unix_ms = kWallMs};
  const channel::DrainedBackend last{.service = 1, .backend = 1, .since_unix_ms = kWallMs};
  CHECK(standings.set_drains({first}, kNow, kWall) == Ids{kFirst});
  CHECK(standings.set_drains({first, last}, kNow, kWall) == Ids{kLast});
  first.deadline_unix_ms = kWallMs + 1000;
  CHECK(standings.set_drains({first, last}, kNow, kWall) == Ids{kFirst});
  CHECK(standings.set_drains({last}, kNow, kWall) == Ids{kFirst});
}

TEST_CASE("positions that are not there, or depart, are left alone") {
  Standings standings(services(), kNow, kWall);
  const Drained nonsense{
      {.service = 7, .backend = 0}, {.service = 0, .backend = 7}, {.service = 0, .backend = 2}};
  CHECK(standings.set_drains(nonsense, kNow, kWall).empty());
  CHECK(standings.of(kDeparting).drain->removed);
  CHECK(standings.set_drains({}, kNow, kWall).empty());
  CHECK(standings.of(kDeparting).drain);
}

}  // namespace
}  // namespace vipward
