// What the health monitor knows of a backend, as plain values: for metrics, status and the proxy. Any thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lb/balance/backend_state.h"
#include "lb/event/time.h"
#include "lb/stats/counter.h"

namespace vipward {

// How one check ended. The label of health_checks_total{result}.
enum class CheckResult : std::uint8_t { Ready, NotReady, NoAnswer };
constexpr std::string_view to_string(CheckResult result) {
  constexpr std::array<std::string_view, 3> kNames{"ready", "not_ready", "no_answer"};
  return kNames[static_cast<std::size_t>(result)];
}
inline constexpr std::size_t kCheckResults = 3;

enum class CheckPhase : std::uint8_t { Connect, Tls, Response };
constexpr std::string_view to_string(CheckPhase phase) {
  constexpr std::array<std::string_view, 3> kNames{"connect", "tls", "response"};
  return kNames[static_cast<std::size_t>(phase)];
}
inline constexpr std::size_t kCheckPhases = 3;

struct LastCheck {
  std::chrono::system_clock::time_point ended_at;
  CheckResult result = CheckResult::NoAnswer;
  CheckPhase phase = CheckPhase::Connect;  // the last one reached
  std::string detail;  // "GET /readyz: 500", "TLS: certificate signed by unknown authority"
  std::chrono::nanoseconds duration{0};
};

struct BackendHealth {
  BackendState state = BackendState::Unknown;
  DeadCause dead_cause = DeadCause::None;
  TimePoint since{};                                   // of the state
  std::chrono::system_clock::time_point since_wall{};  // the same for people
  std::string reason;                                  // of the state: why it was entered
  std::optional<LastCheck> last_check;
  std::array<std::uint64_t, kCheckResults> checks{};      // by CheckResult
  std::uint64_t impossible_checks = 0;                    // for a fault of our own host: without a result
  std::optional<std::string> impossible_reason;           // while the last check was impossible
  std::array<HistogramSnapshot, kCheckPhases> durations;  // by CheckPhase
  std::optional<std::chrono::system_clock::time_point> certificate_expiry;
  std::optional<double> clock_skew_seconds;  // the backend's clock minus ours
};

// One transition, for the proxy.
struct HealthChange {
  BackendId backend;
  BackendState state = BackendState::Unknown;
  DeadCause dead_cause = DeadCause::None;
  bool may_be_our_path = false;  // dead, Silent: see PathEvidence
  TimePoint since{};
};

}  // namespace vipward
