// What perf/run has the contenders do, and the figures that come out of it, with the bars of vipward.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "perf/data_path/rig.h"

namespace vipward::perf {

struct Figure {
  std::string key;  // of the JSON, and of the chart's file
  std::string title;
  std::string unit;
  // Of vipward to the best peer: at most, or at least where more is better. Nothing: told, and not judged.
  std::optional<double> bar{};
  std::optional<double> limit{};  // of vipward's own median, in `unit`
  bool more_is_better = false;
  bool is_of_relay = true;       // kDirect has none
  bool has_ratio = true;         // to the best peer; false: it may be 0, or is a ratio itself
  bool limits_worst = false;     // the limit is of every round, not of the median
  bool is_above_direct = false;  // the ratio is of what comes on top of kDirect's in the same round
};

// How much of it.
struct Effort {
  std::chrono::milliseconds time{3000};  // of one contender in one round
  unsigned idle_sessions = 5000;
  unsigned reconnecting = 8000;
};

// At most: of what takes seconds of setting up, and hardly varies.
inline constexpr unsigned kSlowRounds = 3;

struct Work {
  std::string key;
  std::vector<Figure> figures;
  // One value per figure; of kDirect those that are of no relay alone count.
  std::function<std::vector<double>(Rig&, const std::string& contender)> measure;
  unsigned rounds = std::numeric_limits<unsigned>::max();
  std::vector<std::string> contenders{};  // that have their turn; none: all
};

// In the order in which they build on each other: the rate of the paced one is half of what the best peer did
// as fast as it went.
std::vector<Work> all_works(const Effort& effort);

}  // namespace vipward::perf
