// What this host's own condition means for holding the VIPs (DESIGN: own faults). Pure. The state of the
// links comes on top, from the VirtualRouter.
#pragma once

#include <string>

#include "lb/guardian/supervisor.h"
#include "lb/vip/instance.h"

namespace vipward {

struct HostCondition {
  Supervisor::Standing proxy = Supervisor::Standing::NotServing;
  std::string lost_listeners{};   // "10.0.0.100:6443"; empty: none
  bool backends_missing = false;  // on_no_backend: release, and a service has no living backend
  bool released_by_operator = false;
};

struct HostWish {
  Candidacy candidacy = Candidacy::Full;
  std::string why;  // empty for Full
};

// The worst of what holds.
HostWish wish_of(const HostCondition& condition);

}  // namespace vipward
