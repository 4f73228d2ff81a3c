// What the kernel counts for a network namespace in /proc/net/netstat. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vipward::perf {

// The counter of that name in the file's text: a line of names, and one of numbers in the same order, both
// beginning with "GROUP:". Nothing: it is not there.
std::optional<std::uint64_t> netstat_counter(std::string_view text, std::string_view group,
                                             std::string_view name);

}  // namespace vipward::perf
