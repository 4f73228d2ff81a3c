// Everything that metrics, status and readiness say, as plain values: filled by the app from proxy and
// health, read by lb/admin alone. Made afresh for each request, on the control loop.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/balance/backend_state.h"
#include "lb/stats/counter.h"

namespace vipward {

using WallTime = std::chrono::system_clock::time_point;
// label value -> count
using LabelledCounts = std::vector<std::pair<std::string_view, std::uint64_t>>;

struct CheckStatus {
  WallTime ended_at;
  std::string_view result;  // ready | not_ready | no_answer
  std::string_view phase;   // connect | tls | response: the last one reached
  std::string detail;
  double duration_seconds = 0;
};

// Taken out by the operator, or by a configuration that no longer names it.
struct DrainStatus {
  WallTime since;                    // of the operator's command; not known of a removed one
  std::optional<WallTime> deadline;  // its sessions are closed from then on
  bool removed = false;
};

struct BackendStatus {
  std::string name;
  std::string address;
  BackendState state = BackendState::Unknown;
  WallTime since;                       // of the state
  std::string reason;                   // why it is in that state
  std::uint64_t connections = 0;        // now, attempts included
  std::uint64_t connections_total = 0;  // sessions established
  std::uint64_t connect_failures = 0;
  std::uint64_t bytes_to_backend = 0;
  std::uint64_t bytes_to_client = 0;
  HistogramSnapshot connect_duration{};
  std::optional<CheckStatus> last_check{};
  LabelledCounts checks{};                         // by result
  std::uint64_t impossible_checks{};               // for a fault of our own host: without a result
  std::optional<std::string> impossible_reason{};  // while the last check was impossible
  std::vector<std::pair<std::string_view, HistogramSnapshot>> check_duration{};  // by phase
  std::optional<WallTime> certificate_expiry;
  std::optional<double> clock_skew_seconds;
  std::optional<DrainStatus> drain{};
};

struct ServiceStatus {
  std::string name;
  std::vector<std::string> listen;
  bool departing = false;  // no longer configured, but sessions of it still run
  bool refuses_when_none_ready = false;
  std::uint64_t lost_listeners = 0;  // that listen no longer: clients are refused there
  bool accepting = true;             // false: paused, no descriptors left
  std::uint64_t connections = 0;
  std::uint64_t connections_limit = 0;
  std::uint64_t accepted = 0;
  LabelledCounts closed;    // by reason
  LabelledCounts rejected;  // by reason
  HistogramSnapshot duration;
  std::vector<BackendStatus> backends;
};

// The virtual address, as the guardian described it last.
struct VipStatus {
  std::uint8_t virtual_router_id = 0;
  std::uint8_t priority = 0;
  std::string_view state;                // init | backup | active | fault
  std::vector<std::string> addresses{};  // as configured
  std::string interface {};
  WallTime since{};  // of the state
  std::string reason{};
  WallTime last_transition{};
  std::string peer{};  // the address heard last; empty: none
  WallTime peer_heard_at{};
  bool contested = false;           // another host claims the address now
  std::string warning{};            // what the operator should know; may be empty
  LabelledCounts transitions{};     // by the state entered, each of them
  LabelledCounts advertisements{};  // by direction
  std::vector<std::pair<std::string, std::uint64_t>> rejected{};  // packets, by reason
  std::uint64_t restored = 0;
  std::uint64_t conflicts = 0;
  LabelledCounts announcements{};  // by kind
};

struct Snapshot {
  std::string version;
  std::string revision;  // of the build; may be empty
  std::string config_hash;
  std::uint64_t generation = 1;
  bool stopping = false;
  WallTime config_loaded_at;
  bool last_reload_successful = true;  // also if there was none
  WallTime started_at;
  std::uint64_t log_lines_dropped = 0;
  std::uint64_t spliced_bytes = 0;
  std::vector<std::pair<std::string, HistogramSnapshot>> loop_lag;  // by loop name
  std::uint64_t proxy_restarts = 0;                                 // by the guardian, which counts them
  std::optional<VipStatus> vip;  // absent: none is configured, or nothing was heard of it yet
  std::vector<ServiceStatus> services;
};

}  // namespace vipward
