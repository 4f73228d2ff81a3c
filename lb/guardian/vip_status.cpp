#include "lb/guardian/vip_status.h"

#include <algorithm>

namespace vipward {
namespace {

std::int64_t unix_milliseconds(const std::optional<WallTime>& time) {
  if (!time) return 0;
  return std::chrono::duration_cast<std::chrono::milliseconds>(time->time_since_epoch()).count();
}

}  // namespace

channel::VipStatus vip_status_of(const VipReport& report) {
  channel::VipStatus status;
  status.virtual_router_id = report.virtual_router_id;
  status.priority = report.priority;
  static_assert(kVipStates == channel::kVipStates);
  status.state = static_cast<channel::VipState>(report.state);
  for (const Cidr& address : report.addresses) status.addresses.push_back(address.to_string());
  status.interface = report.interface;
  status.since_unix_ms = unix_milliseconds(report.since);
  status.reason = report.reason;
  status.last_transition_unix_ms = status.since_unix_ms;
  if (report.peer) status.peer = report.peer->to_string();
  status.peer_heard_unix_ms = unix_milliseconds(report.peer_heard_at);
  status.contested = report.contested;
  status.warning = report.warning;
  const VipCounters& counters = report.counters;
  std::ranges::copy(counters.transitions, status.transitions.begin());
  status.advertisements_sent = counters.advertisements_sent;
  status.advertisements_received = counters.advertisements_received;
  for (std::size_t i = 0; i < kVrrpRejectReasons.size(); ++i) {
    status.rejected.push_back({.name = std::string(kVrrpRejectReasons[i]), .count = counters.rejected[i]});
  }
  status.restored = counters.restored;
  status.conflicts = counters.conflicts;
  status.garp_requests = counters.announcements[static_cast<std::size_t>(AnnouncementKind::GarpRequest)];
  status.garp_replies = counters.announcements[static_cast<std::size_t>(AnnouncementKind::GarpReply)];
  status.unsolicited_nas = counters.announcements[static_cast<std::size_t>(AnnouncementKind::UnsolicitedNa)];
  return status;
}

std::string one_line(const VipReport& report) {
  return std::string(to_string(report.state)) + ": " + report.reason;
}

}  // namespace vipward
