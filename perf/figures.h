// Figures as the tables of perf print them.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace vipward::perf {

double in_ms(std::chrono::nanoseconds time);
// "12.3"
std::string number(double value, int digits = 1);
// Of none: 0.
double median_of(std::vector<double> values);
double most_of(const std::vector<double>& values);
// "12.3 / **45.6**": the median, and the worst.
std::string median_and_most(const std::vector<double>& values, int digits = 1);

}  // namespace vipward::perf
