// What the kernel says about this process: descriptors, memory, CPU time. Any thread; two short reads of
// /proc.
#pragma once

#include <cstdint>

namespace vipward {

struct ProcessStats {
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;  // the soft limit
  std::uint64_t resident_memory_bytes = 0;
  std::uint64_t virtual_memory_bytes = 0;
  double cpu_seconds = 0;  // user and system
};

// What cannot be read is 0.
ProcessStats read_process_stats();

}  // namespace vipward
