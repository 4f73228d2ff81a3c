// Tells checks whose results mean the same from others: what one generation found out holds for the next one
// only if both ask the same of the same server. Pure.
#pragma once

#include <cstdint>

#include "config/config.h"

namespace vipward {

// A hash of whom a check asks, what, and which answer is a good one; not of how often or how long. The same
// in every build of this version.
std::uint64_t identity_of(const HealthCheckConfig& config, const SocketAddress& address);

}  // namespace vipward
