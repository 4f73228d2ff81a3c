#include "lb/vip/ndisc.h"

#include <algorithm>
#include <cstddef>
#include <tuple>

#include "lb/vip/wire.h"

namespace vipward {
namespace {

using Bytes = std::span<const std::uint8_t>;

// Offsets in the frame; IPv6 begins at 14, ICMPv6 at 54.
constexpr std::size_t kSourceMacAt = 6;
constexpr std::size_t kEtherTypeAt = 12;
constexpr std::size_t kVersionAt = 14;
constexpr std::size_t kPayloadLengthAt = 18;
constexpr std::size_t kNextHeaderAt = 20;
constexpr std::size_t kHopLimitAt = 21;
constexpr std::size_t kSourceAt = 22;
constexpr std::size_t kDestinationAt = 38;
constexpr std::size_t kMessageAt = 54;
constexpr std::size_t kTypeAt = 54;
constexpr std::size_t kCodeAt = 55;
constexpr std::size_t kChecksumAt = 56;
constexpr std::size_t kFlagsAt = 58;
constexpr std::size_t kTargetAt = 62;
constexpr std::size_t kOptionsAt = 78;

constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::uint8_t kIcmpv6 = 58;
// Nothing that a router has forwarded still has it.
constexpr std::uint8_t kHopLimit = 255;
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kRouterFlag = 0x80;
constexpr std::uint8_t kSolicitedFlag = 0x40;
constexpr std::uint8_t kOverrideFlag = 0x20;
constexpr std::uint8_t kSourceLinkLayerAddress = 1;
constexpr std::uint8_t kTargetLinkLayerAddress = 2;
constexpr std::size_t kOptionUnit = 8;  // bytes that the length of an option counts
constexpr std::uint8_t kMulticast = 0xff;

using Ipv6Bytes = std::array<std::uint8_t, 16>;
constexpr Ipv6Bytes kAllNodes{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

// RFC 4291 2.7.1.
Ipv6Bytes solicited_node_group(const IpAddress& address) {
  Ipv6Bytes group{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::copy_n(address.bytes().begin() + 13, 3, group.begin() + 13);
  return group;
}

// Over the pseudo-header (RFC 8200 8.1) and the message, up to the end of `frame`: the one's complement of
// what belongs into an empty checksum field; all ones with the right one in it.
std::uint16_t sum_of(Bytes frame) {
  const auto length = static_cast<std::uint32_t>(frame.size() - kMessageAt);
  return wire::fold(wire::sum_words(frame.subspan(kSourceAt)) + length + kIcmpv6);
}

struct Message {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  IpAddress source;
  Ipv6Bytes group{};
  IpAddress target;
  std::uint8_t option = 0;  // whose link-layer address `own` is
};

NdiscFrame build(const MacAddress& own, const Message& message) {
  NdiscFrame whole{};
  const std::span<std::uint8_t> frame(whole);
  const auto put = [&frame](std::size_t at, Bytes bytes) {
    std::ranges::copy(bytes, frame.subspan(at).begin());
  };
  // RFC 2464 7: the group's last four bytes behind 33:33.
  frame[0] = frame[1] = 0x33;
  put(2, Bytes(message.group).last(4));
  put(kSourceMacAt, own);
  wire::write_u16(frame, kEtherTypeAt, kEtherTypeIpv6);
  frame[kVersionAt] = 6U << 4U;
  wire::write_u16(frame, kPayloadLengthAt, static_cast<std::uint16_t>(frame.size() - kMessageAt));
  frame[kNextHeaderAt] = kIcmpv6;
  frame[kHopLimitAt] = kHopLimit;
  wire::write_ipv6(frame, kSourceAt, message.source);
  put(kDestinationAt, message.group);
  frame[kTypeAt] = message.type;
  frame[kFlagsAt] = message.flags;
  wire::write_ipv6(frame, kTargetAt, message.target);
  frame[kOptionsAt] = message.option;
  frame[kOptionsAt + 1] = 1;
  put(kOptionsAt + 2, own);
  wire::write_u16(frame, kChecksumAt, static_cast<std::uint16_t>(~sum_of(frame) & 0xffff));
  return whole;
}

bool is_ndisc(Bytes frame) {
  return wire::read_u16(frame, kEtherTypeAt) == kEtherTypeIpv6 && frame[kVersionAt] >> 4 == 6 &&
         frame[kNextHeaderAt] == kIcmpv6 && frame[kHopLimitAt] == kHopLimit;
}

bool is_good_message(Bytes frame) {
  const bool is_solicited = (frame[kFlagsAt] & kSolicitedFlag) != 0;
  return frame[kTypeAt] == kAdvertisement && frame[kCodeAt] == 0 && frame[kTargetAt] != kMulticast &&
         !(is_solicited && frame[kDestinationAt] == kMulticast) && sum_of(frame) == 0xffff;
}

// The first option of the target's address. False: an option that makes the whole message worthless.
bool read_options(Bytes options, std::optional<MacAddress>& mac) {
  while (!options.empty()) {
    if (options.size() < kOptionUnit) return false;
    const std::size_t length = options[1] * kOptionUnit;
    if (length == 0 || length > options.size()) return false;
    if (options[0] == kTargetLinkLayerAddress && !mac) {
      if (length != kOptionUnit) return false;  // not of Ethernet: Linux drops it as well
      std::ranges::copy(options.subspan(2, 6), mac.emplace().begin());
    }
    options = options.subspan(length);
  }
  return true;
}

}  // namespace

NdiscFrame unsolicited_na(const NaSender& own, const IpAddress& address) {
  const auto router = own.is_router ? kRouterFlag : std::uint8_t{0};
  return build(own.mac, {.type = kAdvertisement,
                         .flags = static_cast<std::uint8_t>(kOverrideFlag | router),
                         .source = address,
                         .group = kAllNodes,
                         .target = address,
                         .option = kTargetLinkLayerAddress});
}

NdiscFrame neighbour_probe(const MacAddress& own, const IpAddress& source, const IpAddress& address) {
  return build(own, {.type = kSolicitation,
                     .source = source,
                     .group = solicited_node_group(address),
                     .target = address,
                     .option = kSourceLinkLayerAddress});
}

std::optional<NeighbourAdvertisement> parse_neighbour_advertisement(Bytes frame) {
  if (frame.size() < kOptionsAt || !is_ndisc(frame)) return std::nullopt;
  const std::size_t length = wire::read_u16(frame, kPayloadLengthAt);
  if (length < kOptionsAt - kMessageAt || length > frame.size() - kMessageAt) return std::nullopt;
  frame = frame.first(kMessageAt + length);
  std::optional<MacAddress> mac;
  if (!is_good_message(frame) || !read_options(frame.subspan(kOptionsAt), mac)) return std::nullopt;
  NeighbourAdvertisement result{.source = wire::read_ipv6(frame, kSourceAt),
                                .target = wire::read_ipv6(frame, kTargetAt)};
  if (result.source.is_v4() || result.target.is_v4()) return std::nullopt;
  if (!mac) std::ranges::copy(frame.subspan(kSourceMacAt, 6), mac.emplace().begin());
  result.mac = *mac;
  return result;
}

}  // namespace vipward
