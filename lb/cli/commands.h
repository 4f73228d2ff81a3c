// The commands that are not `run`: each does its work, prints, and returns the exit code. Blocking; they run
// in a process of their own.
#pragma once

#include <iosfwd>

#include "lb/cli/command_line.h"

namespace vipward {

// Where a command prints: answers and complaints.
struct Output {
  std::ostream& out;
  std::ostream& err;
};

// Every error of the file, one a line, on `err`; 0 if there is none. What this version does not serve yet and
// files that cannot be read are said, but are no errors of the configuration.
int run_check(const CheckCommand& command, Output output);

// 0 if the daemon says that every backend is ready, else 1; also 1 if it does not answer.
int run_status(const StatusCommand& command, Output output);

// 0 if the peer holds the VIP now, else 1; then this host has taken it back, or the daemon does not answer.
// The answer of the daemon says who took over, or why nobody did.
int run_release(const ReleaseCommand& command, Output output);

// 0 if this host is a candidate for the VIP again.
int run_resume(const ResumeCommand& command, Output output);

// 0 if the configuration, or the binary, on disk is in effect; else 1, and every problem is on `err`.
int run_reload(const ReloadCommand& command, Output output);
int run_upgrade(const UpgradeCommand& command, Output output);

// 0 if it is as was asked for.
int run_drain(const DrainCommand& command, Output output);
int run_undrain(const UndrainCommand& command, Output output);

// 0 if the daemon has answered.
int run_sessions(const SessionsCommand& command, Output output);

int run_version(Output output);

}  // namespace vipward
