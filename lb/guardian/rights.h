// What the guardian takes from the kernel before it serves, and gives back: descriptors, locked memory,
// real-time scheduling, capabilities. In this order, on the main thread, before any other thread exists:
// capabilities are a thread's own (capabilities(7)), later threads inherit what is left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vipward {

// systemd's soft limit is 1024: raises it to the hard one and returns what holds now. The proxy inherits it.
std::uint64_t raise_descriptor_limit();

// What a VIP needs and this process has not, by the kernel's names: "CAP_NET_ADMIN". Empty: nothing is
// missing.
std::vector<std::string> missing_for_vip();

// So that neither a busy core nor a busy disk delays an advertisement: memory is locked (mlockall(2)), the
// thread gets SCHED_FIFO with SCHED_RESET_ON_FORK. Returns one sentence for each that this system does not
// allow.
std::vector<std::string> claim_real_time();

// What is kept now survives an execve(2): root regains it anyway, who is not root keeps it as ambient
// (capabilities(7)). drop_capabilities() takes that back.
void keep_capabilities_across_exec();

// Keeps NET_ADMIN, NET_RAW, NET_BIND_SERVICE, KILL, SETUID and SETGID of what is there, and drops the rest.
// Throws std::system_error.
void drop_capabilities();

}  // namespace vipward
