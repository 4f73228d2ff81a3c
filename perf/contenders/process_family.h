// A process with all that it started, as /proc tells of them now: what they cost, and which of them has the
// sessions. Any thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <string_view>

namespace vipward::perf {

// Of all processes together.
struct Footprint {
  std::size_t processes = 0;
  std::uint64_t memory_kib = 0;  // Pss: what is shared counts in parts (proc(5), smaps_rollup)
  std::size_t descriptors = 0;
};
// Throws std::system_error if this process may not see one of them.
Footprint footprint_of(pid_t root);

// That they have had so far, user and system, also of threads that have ended.
std::chrono::nanoseconds family_cpu_time(pid_t root);

// An epoll descriptor. Workers, threads and processes alike, have one each for their sessions.
struct Poller {
  pid_t process = 0;
  int descriptor = 0;
  auto operator<=>(const Poller&) const = default;
};
// How many descriptors each of them watches.
std::map<Poller, std::size_t> watched_descriptors(pid_t root);
// The same of one, by the text of /proc/PID/fdinfo/N (proc(5)). Pure.
std::size_t count_watched(std::string_view fdinfo);

}  // namespace vipward::perf
