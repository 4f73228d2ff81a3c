// When something was logged, for tests of a pace. The times are the worker's own, of the wall clock: a test
// that is late does not see a burst that was none.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <iomanip>
#include <sstream>
#include <string>
#include <vector>

namespace vipward::test {

// Since 1970, as the log's stamps.
using LogTime = std::chrono::sys_time<std::chrono::microseconds>;

inline LogTime log_time_now() {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

// Of each line, in their order.
inline std::vector<LogTime> times_of(const std::vector<std::string>& lines) {
  std::vector<LogTime> times;
  for (const std::string& line : lines) {
    std::tm day{};
    std::istringstream text(line);
    text >> std::get_time(&day, "%Y-%m-%dT%H:%M:%S");
    REQUIRE(text);
    const std::chrono::microseconds fraction(std::stoll(line.substr(20, 6)));
    times.emplace_back(std::chrono::seconds(timegm(&day)) + fraction);
  }
  return times;
}

// The most that lie within any `span`; `times` are sorted.
inline std::size_t most_within(const std::vector<LogTime>& times, std::chrono::microseconds span) {
  std::size_t most = 0;
  std::size_t first = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    while (times[i] - times[first] >= span) ++first;
    most = std::max(most, i - first + 1);
  }
  return most;
}

}  // namespace vipward::test
