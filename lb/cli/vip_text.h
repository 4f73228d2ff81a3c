// The VIP in the status for people, made from the "vip" of /api/v1/status. Pure.
#pragma once

#include <string>

#include "lb/cli/json_fields.h"

namespace vipward {

// What the first line needs of it.
struct VipVerdict {
  bool down = false;
  std::string problem;  // empty: none
  std::string clause;   // "active since 09:12:31Z (down_timer), "; what goes before the count of backends
};

// `now` is the daemon's time, as the other times are. Without a VIP there is nothing to say.
VipVerdict judge_vip(const Json& vip, const std::string& now);

// A line with everything, then notes; empty without a VIP.
std::string vip_block(const Json& vip, const std::string& now);

}  // namespace vipward
