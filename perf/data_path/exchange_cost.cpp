#include "perf/data_path/exchange_cost.h"

namespace vipward::perf {

double ExchangeCost::cpu_us() const {
  return std::chrono::duration<double, std::micro>(cpu).count() / static_cast<double>(exchanges);
}

double ExchangeCost::per_second() const {
  return static_cast<double>(exchanges) / std::chrono::duration<double>(time).count();
}

ExchangeCost& ExchangeCost::operator+=(const ExchangeCost& other) {
  cpu += other.cpu;
  exchanges += other.exchanges;
  time += other.time;
  return *this;
}

ExchangeCost measure_exchanges(const std::function<std::chrono::nanoseconds()>& cpu_time,
                               const ExchangeClients::Options& options, std::chrono::milliseconds time) {
  ExchangeClients clients(options);
  clients.run(kWarmUp);
  const std::chrono::nanoseconds before = cpu_time();
  const auto tally = clients.run(time);
  return {.cpu = cpu_time() - before, .exchanges = tally.exchanges, .time = tally.time};
}

}  // namespace vipward::perf
