#include "perf/faults/verdict.h"

#include <algorithm>
#include <functional>

namespace vipward::perf {

using std::chrono::microseconds;

namespace {

void hold_against(const Bars& bars, const Series& series,
                  const std::function<void(const std::string&)>& add) {
  if (!series.failure.empty()) return add(series.failure);
  if (series.rounds.empty()) return add("not measured");
  const auto most = bars.gap_by(series.transport);
  if (most && spread_of_gaps(series.rounds).median > *most) add("gap");
  for (const Outcome& round : series.rounds) {
    if (round.is_dark) add("nobody answered at the end");
    if (bars.clients_are_reset && !round.clients.all_reset()) add("not every client was reset");
    if (bars.clients_within && round.clients.last_end.value_or(microseconds{0}) > *bars.clients_within) {
      add("a client was reset too late");
    }
    if (bars.no_transition && round.switchovers + round.releases > 0) add("a transition");
    for (const std::string& complaint : round.complaints) add(complaint);
  }
}

}  // namespace

Spread spread_of_gaps(const std::vector<Outcome>& rounds) {
  std::vector<microseconds> gaps;
  for (const Outcome& round : rounds) gaps.push_back(round.gap);
  std::ranges::sort(gaps);
  return {.min = gaps.front(), .median = gaps[gaps.size() / 2], .max = gaps.back()};
}

const Series* Row::by(test::Transport transport) const {
  const auto found = std::ranges::find(series, transport, &Series::transport);
  return found == series.end() ? nullptr : &*found;
}

std::vector<std::string> misses(const Row& row) {
  if (row.contender != test::Contender::Vipward) return {};
  std::vector<std::string> result;
  for (const Series& series : row.series) {
    // Each sentence once, however many rounds it was true for.
    const auto add = [&](const std::string& text) {
      const std::string sentence = std::string(to_string(series.transport)) + ": " + text;
      if (std::ranges::find(result, sentence) == result.end()) result.push_back(sentence);
    };
    hold_against(row.fault->bars, series, add);
  }
  return result;
}

}  // namespace vipward::perf
