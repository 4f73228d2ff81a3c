// The services that a proxy has sessions of: those of its configuration, in their positions, and behind them
// what departs - backends, or whole services, that an earlier configuration named and whose sessions may
// still run. Pure. Owner: ProxyApp.
#pragma once

#include <cstddef>
#include <vector>

#include "config/config.h"
#include "lb/balance/backend_state.h"
#include "lb/channel/messages.h"
#include "lb/event/time.h"

namespace vipward {

struct EffectiveServices {
  struct Departing {
    BackendId id;
    TimePoint leaves_at{};
  };
  std::vector<ServiceConfig> services;
  std::size_t configured_services = 0;
  std::vector<std::size_t> configured_backends;  // by service
  std::vector<Departing> departing;

  bool is_configured(BackendId id) const {
    return id.service < configured_services && id.backend < configured_backends[id.service];
  }
};

// A departing service has the defaults, and is checked by connecting alone: its certificates are no longer
// known.
EffectiveServices effective_services(std::vector<ServiceConfig> configured,
                                     const std::vector<channel::DepartingBackend>& departing);

}  // namespace vipward
