#include "perf/data_path/two_workers.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "perf/contenders/process_family.h"
#include "perf/data_path/exchange_cost.h"
#include "perf/ratios.h"

namespace vipward::perf {
namespace {

constexpr unsigned kWorkers = 2;
constexpr unsigned kConnections = 32;

// A worker's sessions are where it watches their descriptors: the two pollers that have grown most.
double imbalance_with(const Contender& contender, unsigned sessions) {
  const auto before = watched_descriptors(contender.pid());
  const IdleClients clients(contender.address(), sessions);
  std::vector<double> grown;
  for (const auto& [poller, watched] : watched_descriptors(contender.pid())) {
    const auto found = before.find(poller);
    const std::size_t had = found == before.end() ? 0 : found->second;
    grown.push_back(static_cast<double>(watched) - static_cast<double>(had));
  }
  std::ranges::sort(grown, std::greater());
  // Both ends of each.
  if (grown.size() < kWorkers || grown[0] + grown[1] < 2.0 * sessions)
    throw std::runtime_error(std::string(contender.name()) + ": its workers do not watch all sessions");
  grown.resize(kWorkers);
  return imbalance_percent(grown);
}

}  // namespace

const Contender& TwoWorkers::with_two(const Rig& rig, const std::string& contender) {
  auto& two = contenders_[contender];
  if (two == nullptr) two = rig.fresh(contender, kWorkers);
  return *two;
}

// The turn of the two lies between two halves of the one's, so that a machine that becomes slower is so for
// both.
TwoWorkers::Outcome TwoWorkers::measure(const Rig& rig, const std::string& contender) {
  const Contender& two = with_two(rig, contender);
  const auto cost_of_one = [&] {
    return measure_exchanges(
        [&] { return rig.cpu_time(contender); },
        {.target = rig.target(contender), .connections = kConnections, .busy = kConnections},
        effort_.time / 2);
  };
  ExchangeCost one = cost_of_one();
  const ExchangeCost both = measure_exchanges(
      [&] { return two.cpu_time(); },
      {.target = two.address(), .connections = kConnections, .busy = kConnections}, effort_.time);
  one += cost_of_one();
  return {.cpu_ratio = both.cpu_us() / one.cpu_us(),
          .per_second = both.per_second(),
          .imbalance_percent = imbalance_with(two, effort_.idle_sessions)};
}

}  // namespace vipward::perf
