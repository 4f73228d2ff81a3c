// A port of 127.0.0.1 for a process that is about to be started, told by a configuration: nobody listens
// there, and the kernel gives it to no client (it lies below ip_local_port_range), so that it is free a
// moment later, too. Each call gives another one. Any thread.
#pragma once

#include "lb/net/address.h"

namespace vipward::test {

// Throws std::runtime_error if there is none.
SocketAddress free_port();

}  // namespace vipward::test
