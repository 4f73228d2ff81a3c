#include "lb/cli/vip_text.h"

namespace vipward {
namespace {

// "active since 09:12:31Z (down_timer)"
std::string state_text(const Json& vip, const std::string& now) {
  const std::string reason = text(vip, "reason");
  return text(vip, "state") + " since " + short_time(text(vip, "since"), now) +
         (reason.empty() ? "" : " (" + reason + ')');
}

std::string peer_text(const Json& vip, const std::string& now) {
  const std::string peer = text(vip, "peer");
  if (peer.empty()) return "no peer heard";
  return "heard " + peer + " at " + short_time(text(vip, "peer_heard_at"), now);
}

}  // namespace

VipVerdict judge_vip(const Json& vip, const std::string& now) {
  VipVerdict verdict;
  if (!vip.is_object()) return verdict;
  const std::string state = text(vip, "state");
  const std::string peer = text(vip, "peer");
  const std::string reason = text(vip, "reason");
  if (state == "fault") {
    verdict.down = true;
    verdict.problem = "vip in fault since " + short_time(text(vip, "since"), now) + ": " +
                      (reason.empty() ? "no reason given" : reason);
  } else if (is_true(vip, "contested")) {
    const std::string warning = text(vip, "warning");
    verdict.problem = "vip contested: " + state_text(vip, now) + (warning.empty() ? "" : "; " + warning);
  } else if (state == "active") {
    verdict.clause = state_text(vip, now) + ", ";
  } else if (state == "backup" && !peer.empty()) {
    verdict.clause = state_text(vip, now) + "; active is " + peer + "; ";
  } else {
    verdict.problem =
        "vip: " + state_text(vip, now) + (state == "backup" ? ", nobody is heard that holds it" : "");
  }
  return verdict;
}

std::string vip_block(const Json& vip, const std::string& now) {
  if (!vip.is_object()) return "";
  std::string result = "vip " + joined(vip, "addresses") + " on " + text(vip, "interface") + ": " +
                       state_text(vip, now) + ", router id " +
                       std::to_string(number(vip, "virtual_router_id")) + ", priority " +
                       std::to_string(number(vip, "priority")) + ", " + peer_text(vip, now) + '\n';
  if (const std::string warning = text(vip, "warning"); !warning.empty())
    result += "  warning: " + warning + '\n';
  // The active one never hears its backup: silence says nothing about it.
  if (text(vip, "state") == "active")
    result += "  note: the standby cannot be seen by VRRP; watch its `up` in Prometheus\n";
  return result + '\n';
}

}  // namespace vipward
