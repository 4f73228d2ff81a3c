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
                     {.another_ready = another_ready, .drain_timeout = 130s, .now = kSince + age});
}

TEST_CASE("running sessions: unknown, ready and drained backends keep theirs whatever happens") {
  for (const BackendState state : {BackendState::Unknown, BackendState::Ready, BackendState::Drained}) {
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

TEST_CASE("every state has the word of the contract") {
  std::vector<std::string_view> words;
  for (const BackendState state : kBackendStates) words.push_back(to_string(state));
  CHECK(words == std::vector<std::string_view>{"unknown", "ready", "not_ready", "dead", "drained"});
}

}  // namespace
}  // namespace vipward
