// What a proxy has counted, by name: its successor adds it to what it counts itself, so that no counter falls
// back to zero. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/stats/counter.h"

namespace vipward::handover {

struct LabelledCount {
  std::string label;
  std::uint64_t count = 0;
  bool operator==(const LabelledCount&) const = default;
};
struct LabelledDurations {
  std::string label;
  HistogramSnapshot durations;
  bool operator==(const LabelledDurations&) const = default;
};

struct ServiceCounts {
  std::string service;
  std::uint64_t accepted = 0;
  std::vector<LabelledCount> closed;    // by reason
  std::vector<LabelledCount> rejected;  // by reason
  HistogramSnapshot duration;
  bool operator==(const ServiceCounts&) const = default;
};

struct BackendCounts {
  std::string service;
  std::string backend;
  std::uint64_t sessions = 0;
  std::uint64_t connect_failures = 0;
  std::uint64_t bytes_to_backend = 0;
  std::uint64_t bytes_to_client = 0;
  HistogramSnapshot connect_duration;
  std::vector<LabelledCount> checks;  // by result
  std::uint64_t impossible_checks = 0;
  std::vector<LabelledDurations> check_duration;  // by phase
  bool operator==(const BackendCounts&) const = default;
};

struct ProcessCounts {
  std::vector<LabelledDurations> loop_lag;  // by loop
  std::uint64_t log_lines_dropped = 0;
  std::uint64_t spliced_bytes = 0;
  bool operator==(const ProcessCounts&) const = default;
};

}  // namespace vipward::handover
