// What the checks of one backend have found out, as a value: another monitor, in the next generation of the
// proxy, goes on from it. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "health/snapshot.h"

namespace vipward {

struct BackendMemory {
  std::uint64_t checks_identity = 0;  // of what is asked whom: see identity_of()
  BackendState state = BackendState::Unknown;
  DeadCause dead_cause = DeadCause::None;
  TimePoint since{};  // of the state
  // Lengths of the rows that end with the last check, see CheckState.
  int ready_row = 0;
  int no_answer_row = 0;
  int failing_row = 0;
  bool may_be_our_path = false;
  std::chrono::system_clock::time_point since_wall{};
  std::string reason;
  std::optional<LastCheck> last_check;
  std::optional<std::chrono::system_clock::time_point> certificate_expiry;
  std::optional<double> clock_skew_seconds;
};

}  // namespace vipward
