// What was measured of each contender, as the table of perf/reload.
#pragma once

#include <string>
#include <vector>

#include "perf/contenders/contender.h"
#include "tests/support/traffic.h"

namespace vipward::perf {

// So many more sessions begin after each reload, and stay.
inline constexpr unsigned kLate = 10;

struct Workload {
  unsigned sessions = 5000;
  unsigned bulk = 50;
  unsigned request = 500;
  unsigned reloads = 20;
  unsigned upgrades = 5;
};

struct Result {
  std::string contender;
  std::string failure;
  test::TrafficClients::Tally sessions;
  unsigned corrupt_at_backend = 0;
  unsigned stuck = 0;
  std::vector<double> baseline_ms;  // the longest stall of a second without a reload
  std::vector<double> stalls_ms;    // the longest stall around each reload
  std::vector<double> reloads_ms;
  unsigned upgrades = 0;
  std::uint64_t probes = 0;
  std::string failed_probes = "none";
  std::size_t failed = 0;
  double longest_gap_ms = 0;  // between two answers to new connections
  std::size_t late = 0;       // sessions that began after a reload
  std::size_t late_lost = 0;
  Footprint before;
  Footprint after;  // with all of them open
};

// Says what was measured where, and how to do it again.
std::string heading(const std::string& command_line, const Workload& workload);
std::string table_head();
std::string row(const Result& result);
// Why a result of vipward's misses what is asked of it; empty: nothing.
std::string misses(const Result& result);
std::string bars();

}  // namespace vipward::perf
