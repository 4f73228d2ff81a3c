// VRRP packets (IP protocol 112) of one family on one interface: a raw socket, TTL or hop limit 255 and
// traffic class 0xc0 (RFC 9568, sections 5.1.1 and 5.1.2). Owner: the VirtualRouter; the guardian's loop.
// Never blocks. It joins 224.0.0.18 or ff02::12 also for an instance of unicast: to see a foreign router that
// speaks multicast on the same VRID. Needs CAP_NET_RAW when it is made and attached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "lb/vip/packet.h"

namespace vipward {

class VrrpSocket {
 public:
  // Hears nothing until it is attached. AF_INET or AF_INET6. Start-up: throws std::system_error.
  explicit VrrpSocket(int family);
  // One that an earlier image of this process has left, attached to the interface of that index: what came in
  // meanwhile is heard.
  VrrpSocket(int family, Fd inherited, unsigned index);

  // The same for life.
  int fd() const { return fd_.get(); }
  // Follows the interface: call it again with what the name means now when that has changed, and when the
  // link is back, as the kernel may have forgotten the group. What is wrong, or nothing. Until the next call
  // with an interface that is there nothing is sent, and no group heard; where only the group is refused,
  // unicast is.
  std::optional<std::string> attach(const std::string& name, unsigned index);
  // 0: on none.
  unsigned interface() const { return index_; }

  // One message (without IP header) from an own address, to a host or the group. 0 or an errno: ENODEV (not
  // attached), ENETUNREACH or EINVAL (`from` is not on this host, the interface is down), EPERM (a packet
  // filter), ENOBUFS. An IPv4 peer outside the interface's subnets is taken to be on the same wire, an IPv6
  // one needs a route by this interface.
  int send(const IpAddress& from, const IpAddress& to, std::span<const std::uint8_t> message);
  // The next datagram, or why it is none that can be read; its message is in `into`, cut to that size.
  // Nothing: none waits.
  std::optional<std::variant<VrrpDatagram, VrrpRejectReason>> receive(std::span<std::uint8_t> into);

 private:
  int family_;
  Fd fd_;
  unsigned index_ = 0;
};

}  // namespace vipward
