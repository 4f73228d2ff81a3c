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
  // In which both have a figure above zero: where direct takes as long as a relay, nothing is known of what
  // the relay adds.
  std::size_t rounds = 0;
  double ratio = 0;  // median of them, each vipward's to that peer's
  Interval interval;
  // A bar only with more than half of the rounds, and not beside another build of vipward.
  bool is_judged = false;
  bool is_met = false;
};
Verdict verdict_of(const Series& series);
// Whether a run may end well: what has a bar or a limit has been judged, and met it.
bool passes(const Series& series);

// `origin`: provenance().
std::string table(const std::string& origin, const std::vector<Series>& all);
std::string json(const std::string& origin, const std::vector<Series>& all);
// SVG: a bar per contender, its median, with a line from the least to the most.
std::string chart(const Series& series);

}  // namespace vipward::perf
