// `vipward run`: configuration, rights, what can fail at a start, then GuardianApp until a signal. Main
// thread.
#pragma once

#include <string>

namespace vipward {

// Returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start (the reasons are on stderr).
int run(const std::string& config_path);

// The same process after it has re-executed itself: goes on from what `state`, a descriptor, holds
// (lb/guardian/heritage.h), with the configuration in it; `config_path` names it in messages.
int run_next_image(const std::string& config_path, int state);

}  // namespace vipward
