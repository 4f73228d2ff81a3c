// By which family of addresses an instance of VRRP talks, which is one decision however its VIPs are mixed:
// those of the other family ride along unsaid. Pure.
#pragma once

#include <sys/socket.h>

#include <string_view>
#include <vector>

#include "config/config.h"

namespace vipward {

// AF_INET or AF_INET6: the peers'; without peers, which is multicast, that of the first address. Version 2
// knows IPv4 alone.
int family_of(const VipConfig& vip);
std::string_view family_name(int family);
// A multicast instance: whoever has the virtual_router_id is a peer.
inline bool is_multicast(const VipConfig& vip) {
  return vip.peers.empty();
}

// Over IPv6, by multicast or with link-local peers: packets are sent from the link-local address (RFC 9568
// 5.1.2.1).
bool speaks_link_local(const VipConfig& vip);

// What is set on the interface, in the order of the file. Over IPv6 a link-local one comes first if none is
// configured: the one of the virtual router's MAC, which RFC 9568 5.2.9 wants to be advertised.
std::vector<IpAddress> held_addresses(const VipConfig& vip);
// Those among them that advertisements name: of the instance's family, over IPv6 a link-local one first.
std::vector<IpAddress> advertised_addresses(const VipConfig& vip);
// What tells the interface: the first address that is not link-local.
const IpAddress& anchor_of(const VipConfig& vip);

}  // namespace vipward
