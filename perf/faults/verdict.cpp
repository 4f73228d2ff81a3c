#include "perf/faults/verdict.h"

#include <algorithm>

namespace vipward::perf {

using std::chrono::microseconds;

Spread spread_of_gaps(const std::vector<Outcome>& rounds) {
  std::vector<microseconds> gaps;
  for (const Outcome& round : rounds) gaps.push_back(round.gap);
  std::ranges::sort(gaps);
  return {.min = gaps.front(), .median = gaps[gaps.size() / 2], .max = gaps.back()};
}

std::vector<std::string> misses(const Row& row) {
  if (row.contender != test::Contender::Vipward) return {};
  if (!row.failure.empty()) return {row.failure};
  std::vector<std::string> result;
  // Each sentence once, however many rounds it was true for.
  const auto add = [&](const std::string& text) {
    if (std::ranges::find(result, text) == result.end()) result.push_back(text);
  };
  if (row.rounds.empty()) return {"not measured"};
  const Bars& bars = row.fault->bars;
  if (bars.gap && spread_of_gaps(row.rounds).median > *bars.gap) add("gap");
  for (const Outcome& round : row.rounds) {
    if (round.is_dark) add("nobody answered at the end");
    if (bars.clients_are_reset && !round.clients.all_reset()) add("not every client was reset");
    if (bars.clients_within && round.clients.last_end.value_or(microseconds{0}) > *bars.clients_within) {
      add("a client was reset too late");
    }
    if (bars.no_transition && round.switchovers + round.releases > 0) add("a transition");
    for (const std::string& complaint : round.complaints) add(complaint);
  }
  return result;
}

}  // namespace vipward::perf
