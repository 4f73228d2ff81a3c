// What `vipward sessions` shows of a worker's sessions. Worker thread.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "lb/event/time.h"
#include "lb/proxy/worker.h"

namespace vipward {

// As render_sessions() writes it.
std::string list_sessions(const Worker& worker, const std::vector<ServiceConfig>& services, TimePoint now);

}  // namespace vipward
