// What the guardian says of itself and of the VIP, as lb/admin shows it. Pure.
#pragma once

#include "lb/admin/snapshot.h"
#include "lb/channel/messages.h"

namespace vipward {

void add_guardian_part(Snapshot& snapshot, const channel::GuardianStatus& status);

}  // namespace vipward
