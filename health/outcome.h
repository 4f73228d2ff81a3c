// How one check ended, with everything that it found out. Plain value, handed from a Check to its Target.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "health/snapshot.h"

namespace vipward {

// What a check found that somebody has to set right in a configuration; the log says it once when it begins.
enum class CheckComplaint : std::uint8_t {
  None,
  Credentials,  // 401 or 403
  Tls,          // the certificate is not accepted, or the server refuses ours with an alert
};

struct CheckOutcome {
  // Our own host could not check (no descriptor, no port, no certificate authority): says nothing about the
  // backend. Only `detail` is filled in then.
  bool local_fault = false;
  CheckResult result = CheckResult::NoAnswer;
  CheckPhase phase = CheckPhase::Connect;  // the last one reached
  std::string detail;
  bool readyz_alone = false;  // not ready for /readyz alone, while every other path is as expected
  bool refused = false;       // a connect was refused or reset: nobody is there
  CheckComplaint complaint = CheckComplaint::None;
  std::chrono::nanoseconds duration{0};
  // Phases that completed; the response phase once per path.
  std::vector<std::pair<CheckPhase, std::chrono::nanoseconds>> phases;
  std::optional<std::chrono::system_clock::time_point> certificate_expiry;
  std::optional<double> clock_skew_seconds;  // the backend's clock minus ours
};

}  // namespace vipward
