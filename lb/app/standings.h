// Every backend's standing, put together from what the checks say, what the operator has drained and what
// departs. Pure; owner: ProxyApp, which tells the workers what has changed. Control loop.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "health/snapshot.h"
#include "lb/app/effective_services.h"
#include "lb/balance/rules.h"
#include "lb/channel/messages.h"

namespace vipward {

class Standings {
 public:
  using WallTime = Drain::WallTime;

  // `wall_now` is the same moment as `now`: people read times of the wall clock.
  Standings(const EffectiveServices& services, TimePoint now, WallTime wall_now);

  const BackendStanding& of(BackendId id) const { return standings_[id.service][id.backend]; }
  // The checks found something out.
  const BackendStanding& set_health(const HealthChange& change);
  // All of the operator's drains; positions that are not configured are ignored. Returns whose standing is
  // another one now. From here on a deadline is of the steady clock: a wall clock that is set moves none.
  std::vector<BackendId> set_drains(const std::vector<channel::DrainedBackend>& drains, TimePoint now,
                                    WallTime wall_now);

 private:
  std::vector<std::vector<BackendStanding>> standings_;
};

}  // namespace vipward
