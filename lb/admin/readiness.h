// Whether the services can be served: what /readyz and the status say. Pure.
#pragma once

#include <string>

#include "lb/admin/snapshot.h"

namespace vipward {

// A backend is ready; or, where `when_none_ready` is fail_open, one is not_ready: it is alive and gets the
// sessions. An unknown one proves nothing yet (right after the start nothing is usable), a dead one is a last
// resort only, a drained one is out. That overloaded apiservers count keeps an address where it is: moving it
// away from them resets every client and adds load.
bool has_usable_backend(const ServiceStatus& service);

// "2 of 3 backends ready (1 dead)"
std::string describe_backends(const ServiceStatus& service);

struct Readiness {
  bool ready = false;
  std::string text;  // first line "ok" or "not ready: WHY", then one line per service
};
Readiness assess_readiness(const Snapshot& snapshot);

}  // namespace vipward
