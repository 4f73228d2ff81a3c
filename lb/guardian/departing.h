// Backends that a configuration no longer names while sessions may still run there. Pure. Owner of the list:
// the GuardianApp, which tells every generation of the proxy.
#pragma once

#include <vector>

#include "config/config.h"
#include "config/difference.h"
#include "lb/channel/messages.h"
#include "lb/event/time.h"

namespace vipward {

// What a proxy can be told of.
inline constexpr std::size_t kMostDeparting = 255;

// What departs once `next` is in effect: who departed before, unless it is back or its time has long been
// over, and whom `removed` names.
std::vector<channel::DepartingBackend> departing_after(const std::vector<channel::DepartingBackend>& before,
                                                       const std::vector<config::DepartingBackend>& removed,
                                                       const Config& next, TimePoint now);

}  // namespace vipward
