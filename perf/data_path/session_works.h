// Those works of perf/run that are about how many sessions there are, not about how fast they go.
#pragma once

#include <vector>

#include "perf/data_path/work.h"

namespace vipward::perf {

std::vector<Work> session_works(const Effort& effort);

}  // namespace vipward::perf
