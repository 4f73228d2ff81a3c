#include "lb/app/guardian_part.h"

namespace vipward {
namespace {

WallTime wall_time(std::int64_t unix_ms) {
  return WallTime(std::chrono::milliseconds(unix_ms));
}

VipStatus vip_status(const channel::VipStatus& vip) {
  VipStatus status{
      .virtual_router_id = vip.virtual_router_id,
      .priority = vip.priority,
      .state = to_string(vip.state),
      .addresses = vip.addresses,
      .interface = vip.interface,
      .since = wall_time(vip.since_unix_ms),
      .reason = vip.reason,
      .last_transition = wall_time(vip.last_transition_unix_ms),
      .peer = vip.peer,
      .peer_heard_at = wall_time(vip.peer_heard_unix_ms),
      .contested = vip.contested,
      .warning = vip.warning,
      .advertisements = {{"sent", vip.advertisements_sent}, {"received", vip.advertisements_received}},
      .restored = vip.restored,
      .conflicts = vip.conflicts,
      .announcements = {{"garp_request", vip.garp_requests},
                        {"garp_reply", vip.garp_replies},
                        {"unsolicited_na", vip.unsolicited_nas}}};
  for (std::size_t i = 0; i < channel::kVipStates.size(); ++i) {
    status.transitions.emplace_back(channel::kVipStates[i], vip.transitions[i]);
  }
  for (const channel::NamedCount& count : vip.rejected) status.rejected.emplace_back(count.name, count.count);
  return status;
}

}  // namespace

void add_guardian_part(Snapshot& snapshot, const channel::GuardianStatus& status) {
  snapshot.proxy_restarts = status.proxy_restarts;
  snapshot.loop_lag.emplace_back("guardian", status.loop_lag);
  if (status.vip) snapshot.vip = vip_status(*status.vip);
}

}  // namespace vipward
