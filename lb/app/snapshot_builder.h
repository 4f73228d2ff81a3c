// Puts together what lb/admin shows, from what configuration, checks and workers know. Pure but for the
// atomics it reads. Control loop, one per request.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "health/snapshot.h"
#include "lb/admin/snapshot.h"
#include "lb/proxy/counters.h"
#include "lb/proxy/load.h"

namespace vipward {

class SnapshotBuilder {
 public:
  SnapshotBuilder(const Config& config, const std::vector<std::vector<BackendHealth>>& health,
                  const ProxyLoad& load);
  // Adds one worker's counts to the sums.
  void add_worker(const std::string& name, const WorkerCounters& counters);
  Snapshot finish() &&;

 private:
  Snapshot snapshot_;
};

}  // namespace vipward
