#include "config/vip_family.h"

#include <algorithm>

namespace vipward {
namespace {

// 00-00-5E-00-02-{VRID} (RFC 9568 7.3) as RFC 4291 makes an interface's address of a MAC.
IpAddress link_local_of(std::uint8_t virtual_router_id) {
  const std::array<std::uint8_t, 16> bytes{0xfe, 0x80, 0,    0,    0,    0, 0,    0,
                                           0x02, 0x00, 0x5e, 0xff, 0xfe, 0, 0x02, virtual_router_id};
  return *IpAddress::from_bytes(bytes);
}

bool is_link_local(const Cidr& cidr) {
  return cidr.address.is_link_local();
}

}  // namespace

int family_of(const VipConfig& vip) {
  if (vip.version == 2) return AF_INET;
  return vip.peers.empty() ? vip.addresses.front().address.family() : vip.peers.front().family();
}

std::string_view family_name(int family) {
  return family == AF_INET ? "IPv4" : "IPv6";
}

bool speaks_link_local(const VipConfig& vip) {
  return family_of(vip) == AF_INET6 && (vip.peers.empty() || vip.peers.front().is_link_local());
}

std::vector<IpAddress> held_addresses(const VipConfig& vip) {
  std::vector<IpAddress> held;
  const bool wants_link_local =
      family_of(vip) == AF_INET6 && std::ranges::none_of(vip.addresses, is_link_local);
  if (wants_link_local) held.push_back(link_local_of(vip.virtual_router_id));
  for (const Cidr& cidr : vip.addresses) held.push_back(cidr.address);
  return held;
}

std::vector<IpAddress> advertised_addresses(const VipConfig& vip) {
  std::vector<IpAddress> said = held_addresses(vip);
  std::erase_if(said, [family = family_of(vip)](const IpAddress& one) { return one.family() != family; });
  std::stable_partition(said.begin(), said.end(), [](const IpAddress& one) { return one.is_link_local(); });
  return said;
}

const IpAddress& anchor_of(const VipConfig& vip) {
  return std::ranges::find_if_not(vip.addresses, is_link_local)->address;
}

}  // namespace vipward
