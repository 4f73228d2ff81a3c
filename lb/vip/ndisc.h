// Neighbour discovery for IPv6 over Ethernet as whole frames (RFC 4861, RFC 4862): what ARP is for IPv4.
// Pure: the owner of the AF_PACKET socket sends what is built here and hands in what it received. Hostile
// input is answered with nullopt.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "lb/net/address.h"
#include "lb/net/mac_address.h"

namespace vipward {

// Ethernet, IPv6 and ICMPv6 with one option.
using NdiscFrame = std::array<std::uint8_t, 86>;

struct NaSender {
  MacAddress mac{};
  // The R flag. It must be what the kernel says in its answers: a neighbour that has us for a router and
  // hears that we are none drops us from its routers (RFC 4861 7.2.5).
  bool is_router = false;
};

// Tells all nodes that `address`, an IPv6 one, is at our MAC and whatever they had of it is not (RFC 4861
// 7.2.6). From the address itself, O = 1, S = 0. Linux updates what it has; it learns nobody new by it.
NdiscFrame unsolicited_na(const NaSender& own, const IpAddress& address);
// Asks who has `address`, an IPv6 one, without claiming it: a solicitation (RFC 4861 4.3) from `source`,
// another address of ours, to the solicited-node group. A holder answers us alone. That of duplicate address
// detection (RFC 4862 5.4.2) would be answered to all nodes, who would turn to a second holder for our having
// asked.
NdiscFrame neighbour_probe(const MacAddress& own, const IpAddress& source, const IpAddress& address);

struct NeighbourAdvertisement {
  IpAddress source;
  IpAddress target;  // the address that is told of
  MacAddress mac{};  // where it is: of the option if there is one, else the frame's sender
  bool operator==(const NeighbourAdvertisement&) const = default;
};

// `frame` with its Ethernet header; padding is ignored. nullopt: something else, cut short, or what RFC 4861
// 7.1.2 says must be discarded. One behind extension headers or in fragments (RFC 6980) is something else,
// and so is one about an IPv4-mapped address, which no wire carries.
std::optional<NeighbourAdvertisement> parse_neighbour_advertisement(std::span<const std::uint8_t> frame);

}  // namespace vipward
