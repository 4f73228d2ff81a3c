#include "health/check_state.h"

#include <algorithm>

namespace vipward {

std::optional<CheckState::Transition> CheckState::observe(const Observation& observation, TimePoint now) {
  count(observation);
  const BackendState from = state_;
  const BackendState to = next(observation);
  if (observation.result != CheckResult::NoAnswer) assumed_ = false;
  DeadCause cause = DeadCause::None;
  if (to == BackendState::Dead) {
    // A ready or not ready result always leaves dead, so that this one is without an answer.
    cause = observation.refused ? DeadCause::Refused : DeadCause::Silent;
  }
  if (to == from && cause == dead_cause_) return std::nullopt;
  if (to != from) since_ = now;
  state_ = to;
  dead_cause_ = cause;
  return Transition{.from = from,
                    .to = to,
                    .dead_cause = cause,
                    .since = now,
                    .checks = std::max({ready_, no_answer_, failing_})};
}

void CheckState::save(BackendMemory& memory) const {
  memory.state = state_;
  memory.dead_cause = dead_cause_;
  memory.since = since_;
  memory.ready_row = ready_;
  memory.no_answer_row = no_answer_;
  memory.failing_row = failing_;
}

void CheckState::restore(const BackendMemory& memory) {
  state_ = memory.state;
  dead_cause_ = memory.dead_cause;
  since_ = memory.since;
  ready_ = memory.ready_row;
  no_answer_ = memory.no_answer_row;
  failing_ = memory.failing_row;
}

void CheckState::assume(const BackendMemory& memory) {
  state_ = memory.state;
  dead_cause_ = memory.dead_cause;
  since_ = memory.since;
  assumed_ = true;
}

void CheckState::count(const Observation& observation) {
  const auto extend = [](int& row, bool fits) { row = fits ? std::min(row + 1, 1'000'000) : 0; };
  extend(ready_, observation.result == CheckResult::Ready);
  extend(no_answer_, observation.result == CheckResult::NoAnswer);
  extend(failing_, observation.result != CheckResult::Ready);
}

BackendState CheckState::next(const Observation& observation) const {
  switch (observation.result) {
    case CheckResult::Ready:
      if (state_ == BackendState::Unknown || assumed_ || ready_ >= thresholds_.rise)
        return BackendState::Ready;
      return state_ == BackendState::Dead ? BackendState::NotReady : state_;
    case CheckResult::NotReady:
      if (state_ == BackendState::Ready && !assumed_ && !observation.readyz_alone &&
          failing_ < thresholds_.fall) {
        return BackendState::Ready;
      }
      return BackendState::NotReady;
    case CheckResult::NoAnswer:
      if (no_answer_ >= thresholds_.fall) return BackendState::Dead;
      if (state_ == BackendState::Ready && failing_ >= thresholds_.fall) return BackendState::NotReady;
      return state_;
  }
  return state_;
}

}  // namespace vipward
