// What many rounds say together: medians, and how sure they are. Pure.
#pragma once

#include <vector>

namespace vipward::perf {

struct Spread {
  double least = 0;
  double median = 0;
  double most = 0;
};
// Of at least one value.
Spread spread_of(std::vector<double> values);

// An interval that holds the median of what the values are drawn from with a probability of at least 95 %,
// whatever its distribution: two of the values, by the binomial distribution of how many lie below. With
// fewer than six values there is none that is so sure: it is all of them then.
struct Interval {
  double from = 0;
  double to = 0;
};
Interval median_interval(std::vector<double> values);

// What the largest has more than the smallest, in percent of their mean. Of at least one value; 0 if all are
// 0.
double imbalance_percent(const std::vector<double>& values);

}  // namespace vipward::perf
