// Contenders with two workers, or threads, beside those with one: what an exchange costs more, and how their
// sessions are spread. Main thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "perf/data_path/work.h"

namespace vipward::perf {

class TwoWorkers {
 public:
  explicit TwoWorkers(const Effort& effort) : effort_(effort) {}

  struct Outcome {
    double cpu_ratio = 0;  // of an exchange, to that with one worker in the same turn
    double per_second = 0;
    // Sessions that the one has more than the other, of their mean. Where a hash places n sessions by chance,
    // its standard deviation is 200 / sqrt(n) percent.
    double imbalance_percent = 0;
  };
  // Throws if it cannot be told which worker has which sessions.
  Outcome measure(const Rig& rig, const std::string& contender);

 private:
  // Started when it is asked for first, and kept: the one with one worker is no beginner either.
  const Contender& with_two(const Rig& rig, const std::string& contender);

  Effort effort_;
  std::map<std::string, std::unique_ptr<Contender>> contenders_;
};

}  // namespace vipward::perf
