// How many threads relay, and how many sessions this process can hold. Start-up.
#pragma once

#include <cstdint>
#include <optional>

#include "config/config.h"

namespace vipward {

// Descriptors that this process may have: what RLIMIT_NOFILE says.
std::uint64_t descriptor_limit();

// Cores that this process may run on (sched_getaffinity(2)). A quota of their time (cpu.max of cgroups) is no
// number of cores, and not looked at.
unsigned usable_cores();

// `configured`: the key `workers`; absent: auto, a worker for each core, four at most.
unsigned worker_count(std::optional<unsigned> configured, unsigned cores);

// Sessions that fit, all services together, with a reserve for everything else.
std::uint32_t session_capacity(const Config& config, unsigned workers, std::uint64_t descriptor_limit);

}  // namespace vipward
