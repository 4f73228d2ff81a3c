#include "health/check_state.h"

#include <doctest/doctest.h>

#include <string_view>

namespace vipward {
namespace {

using std::chrono::seconds;

// A row of results, one letter each, a second apart: R ready, N not ready, Z not ready for /readyz alone,
// C connect refused, T timeout.
class Backend {
 public:
  explicit Backend(CheckState::Thresholds thresholds = {.rise = 2, .fall = 3}) : state_(thresholds, now_) {}

  // Of checks that asked something else.
  explicit Backend(const BackendMemory& assumed) : Backend() { state_.assume(assumed); }

  BackendState after(std::string_view results) {
    for (const char result : results) {
      now_ += seconds(1);
      if (const auto transition = state_.observe(observation(result), now_)) {
        last_ = *transition;
        ++transitions_;
      }
    }
    return state_.state();
  }
  const CheckState& state() const { return state_; }
  const CheckState::Transition& last() const { return last_; }
  int transitions() const { return transitions_; }
  TimePoint now() const { return now_; }

 private:
  static CheckState::Observation observation(char letter) {
    switch (letter) {
      case 'R':
        return {.result = CheckResult::Ready};
      case 'N':
        return {.result = CheckResult::NotReady};
      case 'Z':
        return {.result = CheckResult::NotReady, .readyz_alone = true};
      case 'C':
        return {.result = CheckResult::NoAnswer, .refused = true};
      default:
        return {.result = CheckResult::NoAnswer};
    }
  }

  TimePoint now_{seconds(1000)};
  CheckState state_;
  CheckState::Transition last_;
  int transitions_ = 0;
};

constexpr auto kUnknown = BackendState::Unknown;
constexpr auto kReady = BackendState::Ready;
constexpr auto kNotReady = BackendState::NotReady;
constexpr auto kDead = BackendState::Dead;

}  // namespace

TEST_CASE("a backend is unknown until a result comes") {
  Backend backend;
  CHECK(backend.state().state() == kUnknown);
  CHECK(backend.state().dead_cause() == DeadCause::None);
  CHECK_FALSE(backend.state().is_rising());
}

TEST_CASE("an unknown backend is ready after one ready check, whatever `rise` says") {
  CHECK(Backend({.rise = 5, .fall = 3}).after("R") == kReady);
}

TEST_CASE("an unknown backend is ready at its first ready check after others without an answer") {
  CHECK(Backend().after("TT") == kUnknown);
  CHECK(Backend().after("TTR") == kReady);
}

TEST_CASE("an unknown backend is not_ready after one not ready check") {
  CHECK(Backend().after("N") == kNotReady);
}

TEST_CASE("an unknown backend is dead only after `fall` checks without an answer") {
  CHECK(Backend().after("CC") == kUnknown);
  CHECK(Backend().after("CCC") == kDead);
}

TEST_CASE("a ready backend becomes not_ready only after `fall` not ready checks in a row") {
  CHECK(Backend().after("RNN") == kReady);
  CHECK(Backend().after("RNNN") == kNotReady);
}

TEST_CASE("a ready check in between starts the row of failing ones anew") {
  CHECK(Backend().after("RNNRNNRNN") == kReady);
  CHECK(Backend().after("RTTRTTRTT") == kReady);
}

TEST_CASE("one check that is not ready for /readyz alone suffices") {
  CHECK(Backend().after("RZ") == kNotReady);
}

TEST_CASE("a ready backend becomes dead only after `fall` checks without an answer in a row") {
  CHECK(Backend().after("RTT") == kReady);
  CHECK(Backend().after("RTTT") == kDead);
  CHECK(Backend({.rise = 2, .fall = 1}).after("RT") == kDead);
}

TEST_CASE("a backend that alternates between no answer and not ready leaves ready, but is never dead") {
  CHECK(Backend().after("RTNT") == kNotReady);
  CHECK(Backend().after("RNTN") == kNotReady);
  CHECK(Backend().after("RTNTNTNTNTTNTT") == kNotReady);
}

TEST_CASE("a backend that left ready on mixed results is dead once `fall` in a row have no answer") {
  CHECK(Backend().after("RNTT") == kNotReady);
  CHECK(Backend().after("RNTTT") == kDead);
}

TEST_CASE("a not_ready backend becomes ready only after `rise` ready checks in a row") {
  CHECK(Backend().after("NR") == kNotReady);
  CHECK(Backend().after("NRR") == kReady);
  CHECK(Backend().after("NRNRNRTR") == kNotReady);
}

TEST_CASE("a not_ready backend becomes dead after `fall` checks without an answer") {
  CHECK(Backend().after("NTT") == kNotReady);
  CHECK(Backend().after("NTTT") == kDead);
}

TEST_CASE("a dead backend that gives any answer is alive: not_ready at once") {
  CHECK(Backend().after("TTTN") == kNotReady);
  CHECK(Backend().after("TTTZ") == kNotReady);
  CHECK(Backend().after("TTTR") == kNotReady);
}

TEST_CASE("a dead backend is ready only after `rise` ready checks in a row") {
  CHECK(Backend().after("TTTRR") == kReady);
  CHECK(Backend({.rise = 3, .fall = 3}).after("TTTRR") == kNotReady);
  CHECK(Backend({.rise = 1, .fall = 3}).after("TTTR") == kReady);
  CHECK(Backend({.rise = 3, .fall = 3}).after("TTTRRNRR") == kNotReady);
}

TEST_CASE("the cause of death is the last check's") {
  Backend backend;
  backend.after("RCCT");
  CHECK(backend.state().dead_cause() == DeadCause::Silent);
  Backend other;
  other.after("RTTC");
  CHECK(other.state().dead_cause() == DeadCause::Refused);
}

TEST_CASE("a change of the cause is reported with its own time, while the state keeps its own") {
  Backend backend;
  backend.after("RTTT");
  const TimePoint died = backend.now();
  CHECK(backend.last().since == died);
  CHECK(backend.transitions() == 2);
  backend.after("T");
  CHECK(backend.transitions() == 2);
  backend.after("C");
  CHECK(backend.transitions() == 3);
  CHECK(backend.last().from == kDead);
  CHECK(backend.last().to == kDead);
  CHECK(backend.last().dead_cause == DeadCause::Refused);
  CHECK(backend.last().since == died + seconds(2));
  CHECK(backend.state().since() == died);
  backend.after("CCC");
  CHECK(backend.transitions() == 3);
}

TEST_CASE("the cause is none again once the backend is alive") {
  Backend backend;
  backend.after("CCCN");
  CHECK(backend.state().dead_cause() == DeadCause::None);
  CHECK(backend.last().dead_cause == DeadCause::None);
}

TEST_CASE("a transition says how many checks in a row led to it") {
  Backend backend;
  backend.after("R");
  CHECK(backend.last().checks == 1);
  backend.after("TTT");
  CHECK(backend.last().checks == 3);
  backend.after("RR");
  CHECK(backend.last().checks == 2);
}

TEST_CASE("a result that changes nothing is not reported") {
  Backend backend;
  backend.after("RRRRNNRR");
  CHECK(backend.transitions() == 1);
  CHECK(backend.last().from == kUnknown);
}

TEST_CASE("a backend is rising between its first ready check and ready") {
  Backend backend({.rise = 3, .fall = 3});
  backend.after("TTT");
  CHECK_FALSE(backend.state().is_rising());
  backend.after("R");
  CHECK(backend.state().is_rising());
  backend.after("R");
  CHECK(backend.state().is_rising());
  backend.after("R");
  CHECK_FALSE(backend.state().is_rising());
  backend.after("NNN");
  CHECK_FALSE(backend.state().is_rising());
}

TEST_CASE("a state that is only assumed is decided by the first answer") {
  BackendMemory memory;
  SUBCASE("not ready, and the first answer is ready") {
    memory.state = kNotReady;
    CHECK(Backend(memory).after("R") == kReady);
  }
  SUBCASE("ready, and the first answer is not") {
    memory.state = kReady;
    CHECK(Backend(memory).after("N") == kNotReady);
  }
  SUBCASE("dead, and it answers") {
    memory.state = kDead;
    CHECK(Backend(memory).after("R") == kReady);
  }
  SUBCASE("silence decides nothing, but three times in a row, as ever") {
    memory.state = kReady;
    CHECK(Backend(memory).after("TT") == kReady);
    CHECK(Backend(memory).after("TTT") == kDead);
    CHECK(Backend(memory).after("TN") == kNotReady);
  }
  SUBCASE("from then on it takes as many as ever") {
    memory.state = kReady;
    CHECK(Backend(memory).after("RN") == kReady);
    CHECK(Backend(memory).after("NR") == kNotReady);
  }
}

}  // namespace vipward
