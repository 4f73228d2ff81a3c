// The snapshot as the JSON of /api/v1/status, which `vipward status --json` prints. Pure. Fields are added,
// never renamed: programs read them. Times are RFC 3339 in UTC with milliseconds; what is not known is null.
#pragma once

#include <string>

#include "lb/admin/snapshot.h"

namespace vipward {

std::string render_status(const Snapshot& snapshot, WallTime now);

}  // namespace vipward
