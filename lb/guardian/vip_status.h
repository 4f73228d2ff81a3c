// The guardian's knowledge of the VIP as the proxy is told it, for metrics and status. Pure.
#pragma once

#include "lb/channel/messages.h"
#include "lb/vip/vip_report.h"

namespace vipward {

channel::VipStatus vip_status_of(const VipReport& report);
// "active since 09:12:31, 10.0.0.22 let go": what systemctl status shows.
std::string one_line(const VipReport& report);

}  // namespace vipward
