// Puts together what lb/admin shows, from what configuration, checks and workers know. Pure but for the
// atomics it reads. Control loop, one per request.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "health/snapshot.h"
#include "lb/admin/snapshot.h"
#include "lb/app/effective_services.h"
#include "lb/app/standings.h"
#include "lb/proxy/counters.h"
#include "lb/proxy/load.h"

namespace vipward {

class SnapshotBuilder {
 public:
  SnapshotBuilder(const EffectiveServices& services, const std::string& config_hash,
                  const std::vector<std::vector<BackendHealth>>& health, const Standings& standings,
                  const ProxyLoad& load);
  // Adds one worker's counts to the sums.
  void add_worker(const std::string& name, const WorkerCounters& counters);
  // What departs is left out once it has no sessions.
  Snapshot finish() &&;

 private:
  const EffectiveServices& services_;
  Snapshot snapshot_;
};

}  // namespace vipward
