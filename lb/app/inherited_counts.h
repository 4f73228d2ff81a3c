// What earlier generations of the proxy have counted: told to the next one with a handover, and added there
// to what it counts itself, so that a scrape sees no counter fall back. By name: what has no counterpart is
// left out. Owner: ProxyApp; control loop.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lb/admin/snapshot.h"
#include "lb/handover/messages.h"

namespace vipward {

// Everything in it that only grows, in as many messages as it takes.
std::vector<handover::Counts> counts_of(const Snapshot& snapshot);

class InheritedCounts {
 public:
  // A later part about the same replaces the earlier one.
  void take(handover::Counts part);
  void add_to(Snapshot& snapshot) const;

 private:
  std::map<std::string, handover::ServiceCounts> services_;
  std::map<std::pair<std::string, std::string>, handover::BackendCounts> backends_;
  handover::ProcessCounts process_;
};

}  // namespace vipward
