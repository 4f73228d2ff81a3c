#include "lb/balance/rules.h"

#include <doctest/doctest.h>

#include <vector>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// The table of states in the README, row by row.

TEST_CASE("new sessions: the column of the table, with fail_open and with refuse") {
  struct Row {
    BackendState state;
    std::optional<int> fail_open;
    std::optional<int> refuse;
  };
  const std::vector<Row> rows{
      {BackendState::Ready, 0, 0},
      {BackendState::Unknown, 1, std::nullopt},
      {BackendState::NotReady, 1, std::nullopt},
      {BackendState::Dead, 2, std::nullopt},
      {BackendState::Drained, std::nullopt, std::nullopt},
  };
  CHECK(rows.size() == kBackendStates.size());
  for (const Row& row : rows) {
    CAPTURE(to_string(row.state));
    CHECK(attempt_round(row.state, true) == row.fail_open);
    CHECK(attempt_round(row.state, false) == row.refuse);
  }
}

const TimePoint kSince = TimePoint{} + 1h;

Eviction evict(BackendState state, DeadCause cause, bool another_ready, Duration age) {
  return eviction_of({.state = state, .dead_cause = cause, .since = kSince},
                     {.another_ready = another_ready, .drain_timeout = 130s, .now = kSince + age})
      .sessions;
}

TEST_CASE("running sessions: unknown and ready backends keep theirs whatever happens") {
  for (const BackendState state : {BackendState::Unknown, BackendState::Ready}) {
    for (const bool another_ready : {false, true}) {
      CAPTURE(to_string(state));
      CHECK(evict(state, DeadCause::None, another_ready, 0s) == Eviction::None);
      CHECK(evict(state, DeadCause::None, another_ready, 1000h) == Eviction::None);
    }
  }
}

TEST_CASE("running sessions: those of a not ready backend go after drain.timeout if another is ready") {
  CHECK(evict(BackendState::NotReady, DeadCause::None, true, 0s) == Eviction::None);
  CHECK(evict(BackendState::NotReady, DeadCause::None, true, 130s - 1ns) == Eviction::None);
  CHECK(evict(BackendState::NotReady, DeadCause::None, true, 130s) == Eviction::All);
  CHECK(evict(BackendState::NotReady, DeadCause::None, false, 130s) == Eviction::None);
  CHECK(evict(BackendState::NotReady, DeadCause::None, false, 1000h) == Eviction::None);
}

TEST_CASE("running sessions: those older than a refusal go at once, another ready or not") {
  CHECK(evict(BackendState::Dead, DeadCause::Refused, true, 0s) == Eviction::Older);
  CHECK(evict(BackendState::Dead, DeadCause::Refused, false, 0s) == Eviction::Older);
  CHECK(evict(BackendState::Dead, DeadCause::Refused, false, 1h) == Eviction::Older);
}

TEST_CASE("running sessions: those of a silent backend go only while another is ready") {
  CHECK(evict(BackendState::Dead, DeadCause::Silent, true, 0s) == Eviction::All);
  CHECK(evict(BackendState::Dead, DeadCause::Silent, false, 0s) == Eviction::None);
  CHECK(evict(BackendState::Dead, DeadCause::Silent, false, 1h) == Eviction::None);
}

constexpr auto kDeadline = 10min;

struct Drained {
  BackendStanding standing{.state = BackendState::Ready, .since = kSince, .drain = Drain{}};

  Drained& with_deadline() {
    standing.drain->deadline = kSince + kDeadline;
    return *this;
  }
  Drained& removed() {
    standing.drain->removed = true;
    return *this;
  }
  Drained& found(BackendState state, DeadCause cause = DeadCause::None) {
    standing.state = state;
    standing.dead_cause = cause;
    return *this;
  }
  EvictionOrder order(bool another_ready, Duration age) const {
    return eviction_of(standing,
                       {.another_ready = another_ready, .drain_timeout = 130s, .now = kSince + age});
  }
};

TEST_CASE("a drained backend is drained for new sessions and for people, whatever the checks say") {
  for (const BackendState state : kBackendStates) {
    CAPTURE(to_string(state));
    CHECK(effective_state({.state = state}) == state);
    CHECK(effective_state({.state = state, .drain = Drain{}}) == BackendState::Drained);
  }
}

TEST_CASE("running sessions: those of a drained backend stay for ever without a deadline") {
  for (const BackendState state : {BackendState::Unknown, BackendState::Ready, BackendState::NotReady}) {
    CAPTURE(to_string(state));
    CHECK(Drained().found(state).order(true, 1000h).sessions == Eviction::None);
  }
}

TEST_CASE("running sessions: from the deadline of a drain on they go while another is ready") {
  for (const BackendState state : {BackendState::Unknown, BackendState::Ready, BackendState::NotReady}) {
    CAPTURE(to_string(state));
    const Drained drained = Drained().with_deadline().found(state);
    CHECK(drained.order(true, kDeadline - 1ns).sessions == Eviction::None);
    CHECK(drained.order(false, kDeadline).sessions == Eviction::None);
    CHECK(drained.order(true, kDeadline).sessions == Eviction::All);
    CHECK(drained.order(true, kDeadline).cause == EvictionCause::Drained);
  }
}

TEST_CASE("running sessions: those of a removed backend go at its deadline, another ready or not") {
  const Drained removed = Drained().with_deadline().removed();
  for (const bool another_ready : {false, true}) {
    CHECK(removed.order(another_ready, kDeadline - 1ns).sessions == Eviction::None);
    CHECK(removed.order(another_ready, kDeadline).sessions == Eviction::All);
    CHECK(removed.order(another_ready, kDeadline).cause == EvictionCause::Removed);
  }
}

TEST_CASE("running sessions: a drained backend that is found dead loses them as any other") {
  const Drained refusing = Drained().with_deadline().found(BackendState::Dead, DeadCause::Refused);
  CHECK(refusing.order(false, 0s).sessions == Eviction::Older);
  CHECK(refusing.order(false, 0s).cause == EvictionCause::Dead);
  // Newer ones, too, once the deadline has passed.
  CHECK(refusing.order(true, kDeadline).sessions == Eviction::All);
  CHECK(refusing.order(true, kDeadline).cause == EvictionCause::Dead);

  Drained silent = Drained().with_deadline().found(BackendState::Dead, DeadCause::Silent);
  CHECK(silent.order(false, 0s).sessions == Eviction::None);
  CHECK(silent.order(true, 0s).sessions == Eviction::All);
  CHECK(silent.order(true, 0s).cause == EvictionCause::Dead);
  // The silence may be our own network's; the deadline is the operator's.
  silent.standing.may_be_our_path = true;
  CHECK(silent.order(true, 0s).sessions == Eviction::None);
  CHECK(silent.order(true, kDeadline).sessions == Eviction::All);
  CHECK(silent.order(true, kDeadline).cause == EvictionCause::Drained);
}

TEST_CASE("the next moment to look again: of what is not ready, and of a drain with a deadline") {
  const auto next = [](const BackendStanding& standing) { return next_eviction(standing, 130s); };
  CHECK(next({.state = BackendState::Ready, .since = kSince}) == std::nullopt);
  CHECK(next({.state = BackendState::NotReady, .since = kSince}) == kSince + 130s);
  CHECK(next(Drained().found(BackendState::NotReady).standing) == std::nullopt);
  CHECK(next(Drained().found(BackendState::NotReady).with_deadline().standing) == kSince + kDeadline);
}

TEST_CASE("every state has the word of the contract") {
  std::vector<std::string_view> words;
  for (const BackendState state : kBackendStates) words.push_back(to_string(state));
  CHECK(words == std::vector<std::string_view>{"unknown", "ready", "not_ready", "dead", "drained"});
}

}  // namespace
}  // namespace vipward
