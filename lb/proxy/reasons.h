// Why a session ended or was never let in: each value is at once the log word and the metric label. Pure
// values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vipward {

enum class EndReason : std::uint8_t {
  ClientClosed,      // both sides finished in order, the client first
  BackendClosed,     // both sides finished in order, the backend first
  ClientReset,       // the client aborted
  BackendReset,      // the backend aborted
  ClientLost,        // the client no longer answers (keepalive, unreachable)
  BackendLost,       // the backend no longer answers
  ClientLeft,        // it closed before it had sent a byte: a bare TCP probe
  FirstDataTimeout,  // it sent nothing for first_data_timeout
  NoBackend,         // every attempt to connect failed, or nothing was left to try
  ConnectDeadline,   // connect.deadline passed
  NoDescriptors,     // no descriptor for the backend side until connect.deadline
  IdleTimeout,       // idle_timeout
  HalfCloseTimeout,  // half_close_timeout
  BackendDead,       // closed by us: its backend is dead
  BackendNotReady,   // closed by us: drain.timeout of a backend that is not ready
  BackendDrained,    // closed by us: the deadline of an operator's drain
  BackendRemoved,    // closed by us: the configuration no longer names its backend
  VipReleased,       // it came by way of a VIP that this host has given up
  Stopping,          // vipward stops
};
inline constexpr std::array<std::string_view, 19> kEndReasons{
    "client_closed",   "backend_closed",  "client_reset",       "backend_reset", "client_lost",
    "backend_lost",    "client_left",     "first_data_timeout", "no_backend",    "connect_deadline",
    "no_descriptors",  "idle_timeout",    "half_close_timeout", "backend_dead",  "backend_not_ready",
    "backend_drained", "backend_removed", "vip_released",       "stopping"};
constexpr std::string_view to_string(EndReason reason) {
  return kEndReasons[static_cast<std::size_t>(reason)];
}

enum class RejectReason : std::uint8_t {
  Limit,        // max_connections, or the share of the descriptor limit
  NotAllowed,   // not in `allow`
  NoBackend,    // no backend is in a state in which it would be tried
  VipReleased,  // it came by way of a VIP that this host does not hold
};
inline constexpr std::array<std::string_view, 4> kRejectReasons{"limit", "not_allowed", "no_backend",
                                                                "vip_released"};
constexpr std::string_view to_string(RejectReason reason) {
  return kRejectReasons[static_cast<std::size_t>(reason)];
}

}  // namespace vipward
