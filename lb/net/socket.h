// TCP and unix sockets: the system calls and options vipward uses, wrapped once. Any thread.
// Every socket is non-blocking and close-on-exec.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

// A listening TCP socket. It carries SO_REUSEADDR, SO_REUSEPORT (one listener per worker on the same
// address), TCP_NODELAY and SO_LINGER 0, which accepted sockets inherit: a process that dies leaves resets
// behind, not ends of stream that look complete. Throws std::system_error that names the address. Start-up
// only.
//
// The address need not be on this host yet (IP_FREEBIND): a VIP arrives later, or is on the other host. A
// port that another process listens on is an error, although SO_REUSEPORT would let the two share it.
struct ListenOptions {
  // IP_TRANSPARENT, which accepted sockets inherit: what is sent on them leaves although the address has gone
  // from this host, resets above all. Needs CAP_NET_ADMIN or CAP_NET_RAW.
  bool transparent = false;
};
Fd listen_tcp(const SocketAddress& address, ListenOptions options = {});
// More listeners of this process on the same address (a port of 0: see SocketAddress::local_of).
Fd listen_tcp_beside(const SocketAddress& address, ListenOptions options = {});
// The same two up to listen_on(): the port is known to be free, and nobody gets in yet. Another process that
// asks for it meanwhile may have it.
Fd bind_tcp(const SocketAddress& address, ListenOptions options = {});
Fd bind_tcp_beside(const SocketAddress& address, ListenOptions options = {});
// Whether it listens; and makes it do so (again, after a shutdown). False leaves errno.
bool is_listening(int fd);
bool listen_on(int fd);
// Whether this host has the address now; true if the kernel does not tell.
bool is_local_address(const IpAddress& address);

// A listening unix socket with exactly these rights, there from the first moment. A socket file that nobody
// listens on is replaced; one that somebody answers on is an error. Its folder is made if only that is
// missing. Throws std::system_error. Start-up only.
struct UnixSocketRights {
  mode_t mode = 0600;
  std::optional<gid_t> group;
};
Fd listen_unix(const std::string& path, const UnixSocketRights& rights);

// One accepted connection; an empty Fd leaves errno.
Fd accept_from(int listener, SocketAddress& peer);

// A TCP socket towards a backend: TCP_NODELAY, SO_LINGER 0. An empty Fd leaves errno (EMFILE, ENFILE,
// ENOBUFS).
Fd open_tcp(int family);
// 0: connected; EINPROGRESS: wait until writable, then ask take_error; anything else: failed.
int start_connect(int fd, const SocketAddress& address);
// SO_ERROR, which the kernel clears by telling it; 0 if there is none.
int take_error(int fd);

// Whether an errno says that this process or host ran out of descriptors or memory.
bool is_shortage(int error);
// Whether a connect failed for a reason of this host's, which says nothing about the backend.
bool is_local_failure(int error);

// tcp(7) TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT; on a listener: for all that it accepts.
struct Keepalive {
  std::chrono::seconds idle{10};
  std::chrono::seconds interval{5};
  int count = 3;
};
void set_keepalive(int fd, const Keepalive& keepalive);
// The `turn`-th of a row that does not probe in one instant: up to a quarter sooner, never later. Thousands
// of connections that began together, as after a failover, would else fill a queue of the kernel's
// (net.core.netdev_max_backlog, a device's txqueuelen), which drops the same ones' probes each time, until
// they count as dead.
Keepalive staggered(const Keepalive& keepalive, unsigned turn);
// tcp(7) TCP_USER_TIMEOUT; 0: the kernel's default.
void set_user_timeout(int fd, std::chrono::milliseconds timeout);

// What close(2) does from now on: reset, or end in order while the kernel delivers what is queued.
void set_reset_on_close(int fd);
void set_orderly_close(int fd);

}  // namespace vipward
