// Starts a generation of the proxy: this same binary, `vipward proxy`, with its end of the channel as
// descriptor 3, as another user, without a capability and without a way to get one. Main thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "lb/guardian/account.h"
#include "lb/net/fd.h"

namespace vipward {

struct ProxyChild {
  pid_t pid = -1;
  Fd pidfd;  // readable once it has ended (pidfd_open(2)); empty: it could not be started, see errno
};

// `account`: what it becomes; absent: it stays what we are. A child that cannot execute ends with 127.
ProxyChild spawn_proxy(int channel, const std::optional<Account>& account);

// How a child ended that its pidfd says has ended, and reaps it: "killed by signal 9", "exit code 1".
std::string reap(const ProxyChild& child);

// SIGKILL, also to a stopped one.
void kill_child(const ProxyChild& child);

}  // namespace vipward
