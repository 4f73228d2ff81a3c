#include "perf/ratios.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace vipward::perf {

Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {.least = values.front(), .median = median, .most = values.back()};
}

Interval median_interval(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  // P(fewer than `cut` + 1 of n lie below the median), on either side.
  double tail = 0;
  double term = std::pow(0.5, static_cast<double>(n));
  std::size_t cut = 0;
  while (cut < n / 2) {
    tail += term;
    if (2 * tail > 0.05) break;
    term *= static_cast<double>(n - cut) / static_cast<double>(cut + 1);
    ++cut;
  }
  const std::size_t from = cut == 0 ? 0 : cut - 1;
  return {.from = values[from], .to = values[n - 1 - from]};
}

double imbalance_percent(const std::vector<double>& values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  if (sum == 0) return 0;
  const auto [least, most] = std::ranges::minmax(values);
  return (most - least) * static_cast<double>(values.size()) / sum * 100;
}

}  // namespace vipward::perf
