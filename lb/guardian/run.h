// `vipward run`: configuration, rights, what can fail at a start, then GuardianApp until a signal. Main
// thread.
#pragma once

#include <string>

namespace vipward {

// Returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start (the reasons are on stderr).
int run(const std::string& config_path);

}  // namespace vipward
