// How many sessions this process can hold. Start-up.
#pragma once

#include <cstdint>

#include "config/config.h"

namespace vipward {

// Descriptors that this process may have: what RLIMIT_NOFILE says.
std::uint64_t descriptor_limit();

// Sessions that fit, all services together, with a reserve for everything else.
std::uint32_t session_capacity(const Config& config, std::uint64_t descriptor_limit);

}  // namespace vipward
