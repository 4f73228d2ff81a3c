// What the configuration means to the parts of a virtual router. Pure.
#pragma once

#include <chrono>
#include <optional>

#include "config/config.h"
#include "lb/net/address.h"
#include "lb/vip/instance.h"
#include "lb/vip/own_links.h"
#include "lb/vip/packet.h"

namespace vipward {

// `password`: the content of v2_password_file, if that is configured.
Dialect dialect_of(const VipConfig& config, const std::optional<VrrpPassword>& password);
// How long the kernel keeps an address that nobody renews; 0: for ever.
std::chrono::seconds lifetime_of(const VipConfig& config);
// `own`: what advertisements are sent from.
InstanceSettings settings_of(const VipConfig& config, const OwnLinks& links, const IpAddress& own);

}  // namespace vipward
