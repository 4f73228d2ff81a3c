// The state of one backend as its checks tell it: `rise` and `fall`, consecutive results only. Pure: `now` is
// passed in. Owner: a Target. The operator's `drained` is not a result of checks and is not known here.
//
//   from        result       after                                                to
//   unknown     ready        1: a fresh load balancer serves at once              ready
//   unknown     not ready    1: a result; gets sessions under the same condition  not_ready
//   ready       not ready    1 for /readyz alone, else `fall` in a row            not_ready
//   ready       failing      `fall` in a row, neither all of one kind             not_ready
//   any         no answer    `fall` in a row                                      dead
//   not_ready   ready        `rise` in a row                                      ready
//   dead        not ready    1: an answer is proof of life                        not_ready
//   dead        ready        1: proof of life, sessions are no longer reset       not_ready (ready if `rise`
//   is 1)
//
// Any result of another kind ends a row. Whoever alternates between "not ready" and "no answer" leaves ready
// too, but is never dead: it answers.
#pragma once

#include <optional>

#include "health/memory.h"
#include "health/snapshot.h"

namespace vipward {

class CheckState {
 public:
  struct Thresholds {
    int rise = 2;
    int fall = 3;
  };
  CheckState(Thresholds thresholds, TimePoint now) : thresholds_(thresholds), since_(now) {}

  struct Observation {
    CheckResult result = CheckResult::NoAnswer;
    bool readyz_alone = false;  // NotReady: /readyz is the only path with an unexpected status
    bool refused = false;       // NoAnswer: the connect was refused or reset
  };
  struct Transition {
    BackendState from = BackendState::Unknown;
    BackendState to = BackendState::Unknown;  // the same as `from` when only the cause of death changed
    DeadCause dead_cause = DeadCause::None;
    TimePoint since{};  // now: of the state, or of the cause
    int checks = 0;     // that many in a row led to it
  };
  // Takes the result of one check; the transition it causes, if any. The cause of death is that of the last
  // check; a dead backend whose cause changes is reported too.
  std::optional<Transition> observe(const Observation& observation, TimePoint now);

  BackendState state() const { return state_; }
  // No answer has confirmed it yet.
  bool is_assumed() const { return assumed_; }
  DeadCause dead_cause() const { return dead_cause_; }
  // Of the state; a change of the cause does not move it.
  TimePoint since() const { return since_; }
  // What it goes by, as a part of a BackendMemory; and the same back, in another generation.
  void save(BackendMemory& memory) const;
  void restore(const BackendMemory& memory);
  // The same of checks that asked something else: the best that is known, until the first answer decides, as
  // it does of an unknown backend.
  void assume(const BackendMemory& memory);
  // The last check was ready, but not yet enough of them in a row.
  bool is_rising() const { return ready_ > 0 && state_ != BackendState::Ready; }

 private:
  void count(const Observation& observation);
  BackendState next(const Observation& observation) const;

  Thresholds thresholds_;
  BackendState state_ = BackendState::Unknown;
  DeadCause dead_cause_ = DeadCause::None;
  TimePoint since_;
  // Lengths of the rows that end with the last check.
  int ready_ = 0;
  int no_answer_ = 0;
  int failing_ = 0;  // not ready or no answer
  bool assumed_ = false;
};

}  // namespace vipward
