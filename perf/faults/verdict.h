// The rounds of one fault and one contender, summed up and held against the bars. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "perf/faults/fault.h"

namespace vipward::perf {

// By one way of speaking. Without rounds and without a failure: the contender has no equivalent.
struct Series {
  test::Transport transport{};
  std::vector<Outcome> rounds{};
  std::string failure{};  // why it could not be measured
};

struct Row {
  const Fault* fault = nullptr;
  test::Contender contender{};
  std::vector<Series> series{};

  const Series* by(test::Transport transport) const;  // nullptr: not tried
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
