// Reloads and upgrades of an edge host that holds the VIP, with a keepalived as its backup and the same
// sessions through the VIP; the hosts are network namespaces (needs root). What is measured is on the wire.
// Main thread.
#pragma once

#include <string>
#include <vector>

#include "perf/reloads/report.h"
#include "tests/support/traffic.h"

namespace vipward::perf {

struct HeldVip {
  std::string failure;  // why it could not be measured; the rest is void then
  double interval_ms = 0;
  unsigned reloads = 0;
  unsigned upgrades = 0;
  test::TrafficClients::Tally sessions;
  unsigned corrupt_at_backend = 0;
  unsigned stuck = 0;
  double quiet_silence_ms = 0;      // the longest time between two advertisements in five seconds without any
  std::vector<double> silences_ms;  // the same around each reload and upgrade
  std::vector<double> stalls_ms;    // of the sessions, around each of them
  std::string claims;               // which hosts advertised, in their order: "lb1"
  unsigned transitions = 0;         // of vipward's VRRP, by its own count
};

HeldVip measure_held_vip(const Workload& workload);

// Why it misses what is asked of it; empty: nothing.
std::string misses(const HeldVip& result);
// With its head.
std::string table_of(const HeldVip& result);

}  // namespace vipward::perf
