// What only several sections together can get wrong: who listens where, and whether a backend is ourselves.
// Owned by the load; one thread.
#pragma once

#include "config/config.h"
#include "config/sections.h"

namespace vipward::config {

void validate(const Config& config, Findings& findings);

}  // namespace vipward::config
