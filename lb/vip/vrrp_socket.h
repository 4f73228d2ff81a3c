// VRRP packets (IP protocol 112) on one interface: a raw socket, TTL 255 and TOS 0xc0 (RFC 9568,
// section 5.1.1). Owner: the driver of the VIP; the guardian's loop. Never blocks. It joins 224.0.0.18 only
// to see a foreign router that speaks multicast on the same VRID. Needs CAP_NET_RAW when it is made and
// attached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

class VrrpSocket {
 public:
  // Hears nothing until it is attached. Start-up: throws std::system_error.
  VrrpSocket();
  // One that an earlier image of this process has left, attached to the interface of that index: what came in
  // meanwhile is heard.
  VrrpSocket(Fd inherited, unsigned index) : fd_(std::move(inherited)), index_(index) {}

  // The same for life.
  int fd() const { return fd_.get(); }
  // Follows the interface: call it again with what the name means now when that has changed. What is wrong,
  // or nothing. Until the next call with an interface that is there nothing is heard.
  std::optional<std::string> attach(const std::string& name, unsigned index);
  unsigned interface() const { return index_; }

  // One message (without IP header) from an own address. 0 or an errno: ENODEV (not attached), ENETUNREACH
  // (`from` is not on this host, the interface is down), EPERM (a packet filter), ENOBUFS. A peer outside the
  // interface's subnets is taken to be on the same wire.
  int send(const IpAddress& from, const IpAddress& to, std::span<const std::uint8_t> message);
  // The next datagram with its IP header, cut to the size of `into`; its length there. Nothing: none waits.
  std::optional<std::size_t> receive(std::span<std::uint8_t> into);

 private:
  Fd fd_;
  unsigned index_ = 0;
};

}  // namespace vipward
