// The interfaces of this host and their addresses, as the kernel's events tell. Pure: fed with events, asked
// for facts. Owner: LinkWatch; one thread. An interface is known by its name: the index changes when it is
// made anew.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/link_events.h"

namespace vipward {

class LinkTable {
 public:
  // True: something has changed. What is known already changes nothing.
  bool apply(const NetlinkEvent& event);
  // What a dump said in place of all that was known.
  void replace_all(std::span<const NetlinkEvent> events);

  // nullptr: there is none. Valid until the next change.
  const Link* find(std::string_view name) const;
  const Link* find(unsigned index) const;
  // There, up, with carrier.
  bool is_usable(std::string_view name) const;

  // Whether an interface of this host has it.
  bool has_mac(const MacAddress& mac) const;

  // In the order in which they came.
  const std::vector<InterfaceAddress>& addresses() const { return addresses_; }
  // nullptr: not on that interface, or with another prefix.
  const InterfaceAddress* find_host_address(unsigned index, const IpAddress& address) const;
  // Whether that interface has it, with whatever prefix, and the kernel lets it be a source: an IPv6 address
  // is none before duplicate address detection has cleared it, and never if that found another holder.
  bool has_usable(std::string_view name, const IpAddress& address) const;
  // The address of the interface whose subnet holds `target`, which is usable and none of `except`: what VRRP
  // packets for the VIP `target` are sent from. Of several the first in IPv4; in IPv6, where a dump has
  // another order than the events before it, the lowest. A deprecated one only if there is no other, nor a
  // temporary one (RFC 8981).
  std::optional<IpAddress> source_for(std::string_view name, const IpAddress& target,
                                      std::span<const IpAddress> except) const;
  // The same for a link-local one (fe80::/10): what VRRP over IPv6 is sent from, whatever the VIP (RFC 9568
  // 5.1.2.1).
  std::optional<IpAddress> link_local_of(std::string_view name, std::span<const IpAddress> except) const;
  // The interfaces that have a subnet with `target` in it, the narrowest subnet first: `interface: auto`.
  // `target` itself, where it is an address of this host already, counts with a subnet only. None for a
  // link-local one: every interface has that subnet, which says nothing.
  std::vector<std::string> interfaces_towards(const IpAddress& target) const;

 private:
  bool apply_link(const LinkEvent& event);
  bool apply_address(const AddressEvent& event);

  std::vector<Link> links_;
  std::vector<InterfaceAddress> addresses_;
};

}  // namespace vipward
