// The samples of a run as a table with the bars, as JSON, and as one chart per figure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "perf/data_path/work.h"
#include "perf/ratios.h"

namespace vipward::perf {

struct Series {
  Figure figure;
  std::map<std::string, std::vector<double>> samples;  // by contender: one per round
};

struct Verdict {
  std::string best_peer;  // empty: none was measured, or the figure has no ratio
  double ratio = 0;       // median of the rounds, each vipward's to that peer's
  Interval interval;
  bool is_judged = false;
  bool is_met = true;
};
Verdict verdict_of(const Series& series);

// `origin`: provenance().
std::string table(const std::string& origin, const std::vector<Series>& all);
std::string json(const std::string& origin, const std::vector<Series>& all);
// SVG: a bar per contender, its median, with a line from the least to the most.
std::string chart(const Series& series);

}  // namespace vipward::perf
