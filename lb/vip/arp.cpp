#include "lb/vip/arp.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "lb/vip/wire.h"

namespace vipward {
namespace {

// Offsets in the frame; ARP begins at 14.
constexpr std::size_t kSourceMacAt = 6;
constexpr std::size_t kEtherTypeAt = 12;
constexpr std::size_t kFixedPartAt = 14;
constexpr std::size_t kOperationAt = 20;
constexpr std::size_t kSenderMacAt = 22;
constexpr std::size_t kSenderIpAt = 28;
constexpr std::size_t kTargetMacAt = 32;
constexpr std::size_t kTargetIpAt = 38;
constexpr std::uint16_t kEtherTypeArp = 0x0806;
// Hardware type 1, protocol 0x0800, address lengths 6 and 4.
constexpr std::array<std::uint8_t, 6> kEthernetIpv4{0, 1, 8, 0, 6, 4};
constexpr MacAddress kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct Targets {
  MacAddress mac;
  IpAddress ip;
};

ArpFrame build(ArpOperation operation, const MacAddress& own, const IpAddress& sender_ip,
               const Targets& target) {
  ArpFrame frame{};
  const auto put = [&frame](std::size_t at, const MacAddress& bytes) {
    std::copy(bytes.begin(), bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, kBroadcast);
  put(kSourceMacAt, own);
  wire::write_u16(frame, kEtherTypeAt, kEtherTypeArp);
  put(kFixedPartAt, kEthernetIpv4);
  wire::write_u16(frame, kOperationAt, static_cast<std::uint16_t>(operation));
  put(kSenderMacAt, own);
  wire::write_ipv4(frame, kSenderIpAt, sender_ip);
  put(kTargetMacAt, target.mac);
  wire::write_ipv4(frame, kTargetIpAt, target.ip);
  return frame;
}

}  // namespace

ArpFrame garp_request(const MacAddress& own, const IpAddress& address) {
  return build(ArpOperation::Request, own, address, {.mac = kBroadcast, .ip = address});
}

// Linux takes a reply for a gratuitous one only if the target's MAC is the sender's (arp_is_garp).
ArpFrame garp_reply(const MacAddress& own, const IpAddress& address) {
  return build(ArpOperation::Reply, own, address, {.mac = own, .ip = address});
}

ArpFrame arp_probe(const MacAddress& own, const IpAddress& address) {
  return build(ArpOperation::Request, own, IpAddress(), {.mac = {}, .ip = address});
}

std::optional<ArpPacket> parse_arp(std::span<const std::uint8_t> frame) {
  if (frame.size() < std::tuple_size_v<ArpFrame>) return std::nullopt;
  if (wire::read_u16(frame, kEtherTypeAt) != kEtherTypeArp) return std::nullopt;
  const auto fixed = frame.subspan(kFixedPartAt, kEthernetIpv4.size());
  if (!std::equal(fixed.begin(), fixed.end(), kEthernetIpv4.begin())) return std::nullopt;
  const std::uint16_t operation = wire::read_u16(frame, kOperationAt);
  if (operation != 1 && operation != 2) return std::nullopt;
  ArpPacket packet{.operation = static_cast<ArpOperation>(operation),
                   .sender_mac = {},
                   .sender_ip = wire::read_ipv4(frame, kSenderIpAt),
                   .target_ip = wire::read_ipv4(frame, kTargetIpAt)};
  const auto mac = frame.subspan(kSenderMacAt, packet.sender_mac.size());
  std::copy(mac.begin(), mac.end(), packet.sender_mac.begin());
  return packet;
}

}  // namespace vipward
