// Starts the guardian's children: a generation of the proxy, and the program that examines a configuration
// before a reload or an upgrade. Main thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "lb/guardian/account.h"
#include "lb/guardian/executable.h"
#include "lb/net/fd.h"

namespace vipward {

struct Child {
  pid_t pid = -1;
  Fd pidfd;  // readable once it has ended (pidfd_open(2)); empty: it could not be started, see errno
};

// `executable proxy` with its end of the channel as descriptor 3, as another user, without a capability and
// without a way to get one. `account`: what it becomes; absent: it stays what we are. A child that cannot
// execute ends with 127.
Child spawn_proxy(const Executable& executable, int channel, const std::optional<Account>& account);

// `executable accept --config CONFIG --state 3`, with our rights, but not our priority (acceptance.h):
// descriptor 3 is `state`, which it reads; its output and its complaints go to two pipes.
struct AcceptStreams {
  int state = -1;
  int output = -1;
  int complaints = -1;
};
Child spawn_accept(const Executable& executable, const std::string& config_path,
                   const AcceptStreams& streams);

// How a child ended that its pidfd says has ended, and reaps it.
struct ChildEnd {
  bool was_killed = false;
  int code = -1;  // the exit code, or the signal's number; -1: nobody knows
};
ChildEnd reap(const Child& child);
// "killed by signal 9", "exit code 1", "unknown".
std::string to_string(const ChildEnd& end);

// SIGKILL, also to a stopped one.
void kill_child(const Child& child);

}  // namespace vipward
