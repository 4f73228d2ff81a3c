#include "perf/data_path/work.h"

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>

#include "perf/callgrind/instructions.h"
#include "perf/data_path/exchange_cost.h"
#include "perf/data_path/session_works.h"
#include "perf/ratios.h"

namespace vipward::perf {
namespace {

using std::chrono::nanoseconds;

constexpr double kGiB = 1024.0 * 1024 * 1024;
constexpr unsigned kPacedConnections = 32;

double micros(nanoseconds time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

double seconds(nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

// The rates that each has come to.
using Rates = std::map<std::string, std::vector<double>>;

// CPU per exchange, and exchanges per second.
std::vector<double> measure_exchanges(Rig& rig, const std::string& contender, const Effort& effort,
                                      ExchangeClients::Options options) {
  options.target = rig.target(contender);
  const ExchangeCost cost = measure_exchanges([&] { return rig.cpu_time(contender); }, options, effort.time);
  return {cost.cpu_us(), cost.per_second()};
}

std::vector<double> measure_streams(Rig& rig, const std::string& contender, const Effort& effort,
                                    unsigned streams) {
  StreamClients clients(rig.target(contender), streams);
  clients.run(kWarmUp);
  const nanoseconds before = rig.cpu_time(contender);
  const double gib = static_cast<double>(clients.run(effort.time)) / kGiB;
  const nanoseconds cpu = rig.cpu_time(contender) - before;
  return {micros(cpu) / 1000 / gib, gib / seconds(effort.time)};
}

double percentile(std::vector<double>& values, double share) {
  if (values.empty()) throw std::runtime_error("nothing was answered");
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

double half_of_best_peer(const Rates& rates) {
  double best = 0;
  for (const std::string& peer : kPeers) {
    const auto found = rates.find(peer);
    if (found != rates.end()) best = std::max(best, spread_of(found->second).median);
  }
  if (best == 0) throw std::runtime_error("no peer's rate is known: the latency needs requests-32 first");
  return best / 2;
}

std::vector<double> measure_latency(Rig& rig, const std::string& contender, const Effort& effort,
                                    double rate) {
  ExchangeClients clients({.target = rig.target(contender),
                           .connections = kPacedConnections,
                           .busy = kPacedConnections,
                           .reconnects = false});
  clients.run_paced(kWarmUp, rate);
  auto tally = clients.run_paced(effort.time, rate);
  return {percentile(tally.latencies_us, 0.5), percentile(tally.latencies_us, 0.99)};
}

Figure cpu(std::string key, std::string title, std::string unit, double bar) {
  return {.key = std::move(key), .title = std::move(title), .unit = std::move(unit), .bar = bar};
}

Figure rate(std::string key, std::string title, std::string unit) {
  return {.key = std::move(key),
          .title = std::move(title),
          .unit = std::move(unit),
          .more_is_better = true,
          .is_of_relay = false};
}

}  // namespace

std::vector<Work> all_works(const Effort& effort) {
  const auto rates = std::make_shared<Rates>();
  std::vector<Work> works;
  works.push_back({"requests-32",
                   {cpu("requests-32-cpu", "CPU per keep-alive request, 32 connections", "µs", 0.95),
                    rate("requests-32-rate", "keep-alive requests, 32 connections", "1/s")},
                   [=](Rig& rig, const std::string& contender) {
                     auto values = measure_exchanges(rig, contender, effort, {.connections = 32, .busy = 32});
                     (*rates)[contender].push_back(values[1]);
                     return values;
                   }});
  works.push_back(
      {"requests-1000",
       {cpu("requests-1000-cpu", "CPU per keep-alive request, 50 of 1,000 connections busy", "µs", 0.95),
        rate("requests-1000-rate", "keep-alive requests, 50 of 1,000 connections busy", "1/s")},
       [=](Rig& rig, const std::string& contender) {
         return measure_exchanges(rig, contender, effort, {.connections = 1000, .busy = 50});
       }});
  works.push_back({"connections",
                   {cpu("connections-cpu", "CPU per new connection with one request", "µs", 1.00),
                    rate("connections-rate", "new connections, one request each", "1/s")},
                   [=](Rig& rig, const std::string& contender) {
                     return measure_exchanges(rig, contender, effort,
                                              {.connections = 32, .busy = 32, .reconnects = true});
                   }});
  for (const unsigned streams : {1U, 8U}) {
    const std::string count = std::to_string(streams);
    Figure throughput =
        rate("streams-" + count + "-throughput", "throughput, bulk streams: " + count, "GiB/s");
    if (streams == 1) throughput.bar = 1.4;
    works.push_back(
        {"streams-" + count,
         {cpu("streams-" + count + "-cpu", "CPU per GiB, bulk streams: " + count, "ms", 0.55), throughput},
         [=](Rig& rig, const std::string& contender) {
           return measure_streams(rig, contender, effort, streams);
         }});
  }
  const auto latency = [](std::string key, std::string title, double bar) {
    return Figure{.key = std::move(key),
                  .title = std::move(title),
                  .unit = "µs",
                  .bar = bar,
                  .is_of_relay = false,
                  .is_above_direct = true};
  };
  works.push_back({"latency",
                   {latency("latency-p50", "latency at half of the best peer's rate, median", 1.0),
                    latency("latency-p99", "the same, 99 of 100", 1.1)},
                   [=](Rig& rig, const std::string& contender) {
                     return measure_latency(rig, contender, effort, half_of_best_peer(*rates));
                   }});
  std::ranges::move(session_works(effort), std::back_inserter(works));
  works.push_back({"instructions",
                   {{.key = "instructions",
                     .title = "work in user space per keep-alive request",
                     .unit = "instructions"}},
                   [](Rig&, const std::string& contender) -> std::vector<double> {
                     return {instructions_per_exchange(contender == "floor" ? CountedRelay::Floor
                                                                            : CountedRelay::Worker)};
                   },
                   kSlowRounds,
                   {"floor", "vipward"}});
  return works;
}

}  // namespace vipward::perf
