#include "perf/figures.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace vipward::perf {

double in_ms(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::string number(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double most_of(const std::vector<double>& values) {
  return values.empty() ? 0 : std::ranges::max(values);
}

std::string median_and_most(const std::vector<double>& values, int digits) {
  return number(median_of(values), digits) + " / **" + number(most_of(values), digits) + "**";
}

}  // namespace vipward::perf
