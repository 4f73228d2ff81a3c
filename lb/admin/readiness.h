// Two questions about a service. Does it serve sessions now? The status says so ("usable"). Does any of its
// backends live? /readyz asks that, for it decides where an address goes. Pure.
#pragma once

#include <string>

#include "lb/admin/snapshot.h"

namespace vipward {

// A backend is ready; or, where `when_none_ready` is fail_open, one is not_ready: it gets the sessions. An
// unknown one proves nothing yet (right after the start nothing serves), a dead one is a last resort only, a
// drained one is out.
bool serves_sessions(const ServiceStatus& service);

// A backend is ready or not_ready, whatever `when_none_ready` says. That overloaded apiservers, or those of a
// cluster without a quorum, count keeps an address where it is: the other hosts see the same, and moving it
// resets every client and adds load.
bool has_living_backend(const ServiceStatus& service);

// "2 of 3 backends ready (1 dead)": of those that the operator has not drained. Drained ones are said,
// "2 of 2 backends ready (1 drained)"; those that the configuration no longer names are not.
std::string describe_backends(const ServiceStatus& service);

struct Readiness {
  bool ready = false;  // every service has a living backend, and the process does not stop
  std::string text;    // first line "ok" or "not ready: WHY", then one line per service
};
Readiness assess_readiness(const Snapshot& snapshot);

}  // namespace vipward
