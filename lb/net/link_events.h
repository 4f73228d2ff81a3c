// What the kernel says about network interfaces and their addresses, as plain values (rtnetlink(7)). Pure;
// any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "lb/net/address.h"
#include "lb/net/mac_address.h"

namespace vipward {

struct Link {
  unsigned index = 0;
  std::string name;
  bool is_up = false;        // by the administrator: IFF_UP
  bool has_carrier = false;  // IFF_LOWER_UP
  MacAddress mac{};          // zero where the interface has none of 6 bytes
  bool operator==(const Link&) const = default;
};

struct InterfaceAddress {
  unsigned interface = 0;  // its index
  IpAddress address;
  unsigned prefix = 0;
  // IFA_F_*, but for MCAUTOJOIN: a renewal of ours leaves that on an IPv6 address, where it means nothing.
  std::uint32_t flags = 0;
  std::uint8_t protocol = 0;  // IFA_PROTO: who made it; 0: not said, or a kernel before 5.18
  // Of this host alone, without a subnet: as VIPs are.
  bool is_host() const { return prefix == address.bits(); }
  bool operator==(const InterfaceAddress&) const = default;
};

struct LinkEvent {
  Link link;
  bool is_gone = false;
};

struct AddressEvent {
  InterfaceAddress address;
  bool is_gone = false;
};

using NetlinkEvent = std::variant<LinkEvent, AddressEvent>;

}  // namespace vipward
