// What the kernel says of a thread's use of the processor (proc(5)). A few short reads of /proc; main thread.
#pragma once

#include <sys/types.h>

#include <optional>

#include "lb/guardian/stall_judge.h"

namespace vipward {

// Absent if the process has no such thread.
std::optional<StallJudge::ThreadUse> read_thread_use(pid_t process, pid_t thread);

}  // namespace vipward
