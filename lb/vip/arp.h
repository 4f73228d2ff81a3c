// ARP for IPv4 over Ethernet as whole frames (RFC 826, RFC 5227). Pure: the owner of the AF_PACKET socket
// sends what is built here and hands in what it received.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "lb/net/address.h"
#include "lb/net/mac_address.h"

namespace vipward {

// Ethernet header and ARP, broadcast; the driver pads it to 60 bytes.
using ArpFrame = std::array<std::uint8_t, 42>;

// The two forms of a gratuitous ARP for `address`. Linux takes either; some other receivers, and Linux within
// a second of the last change (locktime), only one of them, so that both are sent.
ArpFrame garp_request(const MacAddress& own, const IpAddress& address);
ArpFrame garp_reply(const MacAddress& own, const IpAddress& address);
// Asks who has `address` without claiming it: the sender's address is 0 (RFC 5227 2.1.1).
ArpFrame arp_probe(const MacAddress& own, const IpAddress& address);

enum class ArpOperation : std::uint8_t { Request = 1, Reply = 2 };

struct ArpPacket {
  ArpOperation operation = ArpOperation::Request;
  MacAddress sender_mac{};
  IpAddress sender_ip;  // unspecified: a probe, which claims nothing
  IpAddress target_ip;
  bool operator==(const ArpPacket&) const = default;
};

// `frame` with its Ethernet header; padding is ignored. nullopt: something else, or cut short.
std::optional<ArpPacket> parse_arp(std::span<const std::uint8_t> frame);

}  // namespace vipward
