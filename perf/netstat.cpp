#include "perf/netstat.h"

#include <sstream>
#include <string>

namespace vipward::perf {
namespace {

bool begins_with_group(std::istringstream& line, std::string_view group) {
  std::string first;
  line >> first;
  return first == std::string(group) + ":";
}

}  // namespace

std::optional<std::uint64_t> netstat_counter(std::string_view text, std::string_view group,
                                             std::string_view name) {
  std::istringstream lines{std::string(text)};
  for (std::string names, numbers; std::getline(lines, names) && std::getline(lines, numbers);) {
    std::istringstream names_left(names);
    std::istringstream numbers_left(numbers);
    if (!begins_with_group(names_left, group) || !begins_with_group(numbers_left, group)) continue;
    std::string one;
    std::uint64_t number = 0;
    while (names_left >> one && numbers_left >> number) {
      if (one == name) return number;
    }
  }
  return std::nullopt;
}

}  // namespace vipward::perf
