// The kernel's routing socket, twice: requests that are answered at once, and the stream of what changes
// (netlink(7), rtnetlink(7)). Owner: LinkWatch; one thread. Changing addresses needs CAP_NET_ADMIN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lb/net/fd.h"
#include "lb/net/netlink_message.h"

namespace vipward {

// Requests with an acknowledgement. The kernel works on a request within send(2), so that its answer is there
// when that returns; it may wait there for its own lock (rtnl). Waiting for the answer ends after 100 ms.
class NetlinkRequests {
 public:
  // Start-up: throws std::system_error.
  NetlinkRequests();

  // 0 or an errno: those of AddressRequest, ENODEV (no such interface), EPERM (no CAP_NET_ADMIN), EACCES
  // (IPv6 is switched off on the interface), EOPNOTSUPP (the kernel has no IPv6), ETIMEDOUT.
  int send(AddressRequest request, const HostAddress& address);
  // Appends everything there is as events, links first; 0 or an errno, and then `events` is as before.
  int dump(std::vector<NetlinkEvent>& events);

 private:
  int transact(std::span<const std::byte> request, std::uint32_t sequence, NetlinkAnswer& answer);
  int dump_one(NetlinkDump what, std::vector<NetlinkEvent>& events);

  Fd fd_;
  std::uint32_t sequence_ = 0;
};

// What changes: links and addresses, from the moment it is made. Never blocks.
class NetlinkMonitor {
 public:
  struct Options {
    int receive_buffer_bytes = 1 << 20;  // some 1,000 events; the kernel doubles it
  };
  // Start-up: throws std::system_error.
  explicit NetlinkMonitor(Options options);

  int fd() const { return fd_.get(); }
  enum class Drained : std::uint8_t {
    All,   // nothing waits any more
    More,  // the share of one call is used up
    Overrun
  };  // ENOBUFS: events were lost, ask for a dump
  // Appends to `events` what waits.
  Drained drain(std::vector<NetlinkEvent>& events);

 private:
  Fd fd_;
};

}  // namespace vipward
