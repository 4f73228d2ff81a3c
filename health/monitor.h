// Checks every backend of every service for as long as it lives, and says when a state changes. One check per
// backend at a time; the next one starts `interval` after the last one ended. Owner: ProxyApp; lives on the
// control loop, so that no check ever blocks a worker. Holds no file: what the files contain is handed in
// (CheckMaterial).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/memory.h"
#include "health/snapshot.h"
#include "health/tls_material.h"
#include "lb/event/loop.h"
#include "lb/event/random.h"
#include "lb/log/log.h"

namespace vipward {

class HealthMonitor {
 public:
  // `on_change` is called on the loop's thread after each transition (also when only dead_cause changes).
  HealthMonitor(Loop& loop, Log& log, Random& random, const std::vector<ServiceConfig>& services,
                const std::function<void(const HealthChange&)>& on_change);
  // Ends running checks without a result.
  ~HealthMonitor();

  // Takes new file contents for a service's checks, from the next check on; drops its cached TLS sessions.
  // Returns what is wrong with them (and keeps using the old ones), or an empty string.
  std::string set_material(std::size_t service, CheckMaterial material);
  // Begins checking; the first check of every backend at once. Without a usable CA (set_material not called,
  // or refused) nothing is checked and every backend stays unknown; the log says so.
  void start();
  // A session's connect to this backend was refused: check at once unless one is running.
  void on_connect_refused(BackendId backend);
  // By position: result[service][backend].
  std::vector<std::vector<BackendHealth>> snapshot() const;
  // For the next generation's monitor; and what that of the last one had, best before start(): checks then go
  // on in their rhythm. on_change is called for it. Of a backend that is checked in another way now the state
  // is assumed until the first check of our own, which comes at once. Nothing if there is a result already.
  BackendMemory memory(BackendId backend) const;
  void restore(BackendId backend, const BackendMemory& memory);

 private:
  struct Service;
  std::vector<std::unique_ptr<Service>> services_;
};

}  // namespace vipward
