// What small exchanges cost who relays them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "perf/data_path/exchange.h"

namespace vipward::perf {

// After the sessions began, before anything counts.
inline constexpr std::chrono::milliseconds kWarmUp{200};

struct ExchangeCost {
  std::chrono::nanoseconds cpu{};
  std::uint64_t exchanges = 0;
  std::chrono::nanoseconds time{};

  double cpu_us() const;  // of one
  double per_second() const;
  ExchangeCost& operator+=(const ExchangeCost& other);
};

// As fast as it goes for `time`, with clients of its own; `cpu_time`: the relay's so far.
ExchangeCost measure_exchanges(const std::function<std::chrono::nanoseconds()>& cpu_time,
                               const ExchangeClients::Options& options, std::chrono::milliseconds time);

}  // namespace vipward::perf
