// The rounds of one fault and one contender, summed up and held against the bars. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "perf/faults/fault.h"

namespace vipward::perf {

struct Row {
  const Fault* fault = nullptr;
  test::Contender contender{};
  std::vector<Outcome> rounds{};
  std::string failure{};  // why it could not be measured
};

struct Spread {
  std::chrono::microseconds min{};
  std::chrono::microseconds median{};
  std::chrono::microseconds max{};
};
// There must be at least one.
Spread spread_of_gaps(const std::vector<Outcome>& rounds);

// What vipward misses, a sentence each; empty: every bar is met. keepalived is measured, not judged.
std::vector<std::string> misses(const Row& row);

}  // namespace vipward::perf
