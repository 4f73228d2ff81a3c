#include "lb/vip/announcer.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "lb/net/small_file.h"
#include "lb/vip/wire.h"

namespace vipward {
namespace {

constexpr int kMostFramesPerDrain = 256;                  // of each socket
constexpr std::uint32_t kSenderIpOffset = ETH_HLEN + 14;  // RFC 826: ar$spa for Ethernet and IPv4
// RFC 8200 3, RFC 4861 4.4.
constexpr std::uint32_t kNextHeaderOffset = ETH_HLEN + 6;
constexpr std::uint32_t kHopLimitOffset = ETH_HLEN + 7;
constexpr std::uint32_t kTypeOffset = ETH_HLEN + 40;
constexpr std::uint32_t kTargetOffset = ETH_HLEN + 48;
constexpr std::uint32_t kIcmpv6 = 58;
constexpr std::uint32_t kHopLimit = 255;
constexpr std::uint32_t kNeighbourAdvertisement = 136;
constexpr std::uint32_t kWordBytes = 4;
constexpr std::uint32_t kWholeFrame = 0xffff;
const sock_filter kRefuse BPF_STMT(BPF_RET | BPF_K, 0);
const sock_filter kAccept BPF_STMT(BPF_RET | BPF_K, kWholeFrame);

using Addresses = std::vector<IpAddress>;

// The addresses of one family.
Addresses only(const Addresses& all, int family) {
  Addresses result;
  std::ranges::copy_if(all, std::back_inserter(result),
                       [&](const IpAddress& a) { return a.family() == family; });
  return result;
}

// 32 bits of `address` as the filter loads them.
std::uint32_t word_of(const IpAddress& address, std::size_t word) {
  const std::size_t at = word * kWordBytes;
  const std::uint32_t high = wire::read_u16(address.bytes(), at);
  return (high << 16U) | wire::read_u16(address.bytes(), at + 2);
}

// Lets through what names one of the addresses as its sender, so that an ARP storm does not wake the
// guardian. A frame too short for the question is dropped by the kernel.
std::vector<sock_filter> arp_claims_of(const Addresses& addresses) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSenderIpOffset)};
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // To the last instruction, past the other questions and the refusal.
    const auto jump = static_cast<std::uint8_t>(addresses.size() - i);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_of(addresses[i], 0), jump, 0));
  }
  program.push_back(kRefuse);
  program.push_back(kAccept);
  return program;
}

// Lets through neighbour advertisements about one of the addresses that no router has forwarded. Every IPv6
// packet that comes in is asked: all others leave after two instructions.
std::vector<sock_filter> na_claims_of(const Addresses& addresses) {
  std::vector<sock_filter> program;
  const auto require = [&program](std::uint32_t offset, std::uint32_t value) {
    program.push_back(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offset));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    program.push_back(kRefuse);
  };
  require(kNextHeaderOffset, kIcmpv6);
  require(kTypeOffset, kNeighbourAdvertisement);
  require(kHopLimitOffset, kHopLimit);
  for (const IpAddress& address : addresses) {
    // The last word first, in which the addresses of one subnet differ. Each answer no leads past this
    // address's questions and its verdict.
    for (std::uint32_t word = 4; word-- > 0;) {
      program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kTargetOffset + word * kWordBytes));
      const auto jump = static_cast<std::uint8_t>(2 * word + 1);
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, word_of(address, word), 0, jump));
    }
    program.push_back(kAccept);
  }
  program.push_back(kRefuse);
  return program;
}

std::optional<PacketSocket> ndisc_socket(const Addresses& addresses) {
  if (addresses.empty()) return std::nullopt;
  return PacketSocket(ETH_P_IPV6, na_claims_of(addresses));
}

int follow(PacketSocket& socket, unsigned index) {
  return index != 0 && socket.interface() == index ? 0 : socket.attach(index);
}

// RFC 4861 7.2.4 as Linux has it: who forwards is a router. procfs blocks nobody; without a file there is no
// IPv6 on the interface.
bool forwards_ipv6(const std::string& interface) {
  const SmallFile file = read_small_file("/proc/sys/net/ipv6/conf/" + interface + "/forwarding");
  return !file.text.empty() && !file.text.starts_with('0');
}

template <class Look>
void read_each(PacketSocket& socket, Look look) {
  std::array<std::uint8_t, ETH_FRAME_LEN> frame;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (int frames = 0; frames < kMostFramesPerDrain; ++frames) {
    const auto size = socket.receive(frame);
    if (!size) return;
    look(std::span<const std::uint8_t>(frame).first(*size));
  }
}

}  // namespace

Announcer::Announcer(std::vector<IpAddress> addresses, Duration refresh)
    : addresses_(std::move(addresses)),
      arp_(ETH_P_ARP, arp_claims_of(only(addresses_, AF_INET))),
      ndisc_(ndisc_socket(only(addresses_, AF_INET6))),
      plan_(refresh) {}

int Announcer::attach(const LinkTable& table, const std::string& interface) {
  const Link* link = table.find(interface);
  const unsigned index = link != nullptr ? link->index : 0;
  interface_ = interface;
  if (link != nullptr) mac_ = link->mac;
  const int error = follow(arp_, index);
  if (!ndisc_) return error;
  asker_ = table.link_local_of(interface, addresses_);
  for (const IpAddress& address : only(addresses_, AF_INET6)) {
    if (!asker_) asker_ = table.source_for(interface, address, addresses_);
  }
  const int other = follow(*ndisc_, index);
  return error != 0 ? error : other;
}

void Announcer::send_due(TimePoint now) {
  for (const Announcement& announcement : plan_.take_due(now)) {
    if (const int error = send(announcement); error != 0) {
      ++failed_;
      last_error_ = error;
    } else {
      ++sent_[static_cast<std::size_t>(announcement.kind)];
    }
  }
}

int Announcer::send(const Announcement& announcement) {
  const IpAddress& address = announcement.address;
  switch (announcement.kind) {
    case AnnouncementKind::GarpRequest:
      return arp_.send(garp_request(mac_, address));
    case AnnouncementKind::GarpReply:
      return arp_.send(garp_reply(mac_, address));
    case AnnouncementKind::UnsolicitedNa:
      return ndisc_->send(unsolicited_na({.mac = mac_, .is_router = forwards_ipv6(interface_)}, address));
    case AnnouncementKind::Probe:
      if (address.is_v4()) return arp_.send(arp_probe(mac_, address));
      return asker_ ? ndisc_->send(neighbour_probe(mac_, *asker_, address)) : EADDRNOTAVAIL;
  }
  return 0;
}

std::vector<ForeignClaim> Announcer::drain(const LinkTable& own) {
  std::vector<ForeignClaim> claims;
  const auto keep = [&](const ForeignClaim& claim) {
    if (own.has_mac(claim.mac)) return;
    if (std::ranges::find(addresses_, claim.address) == addresses_.end()) return;
    if (std::ranges::find(claims, claim) == claims.end()) claims.push_back(claim);
  };
  read_each(arp_, [&](std::span<const std::uint8_t> frame) {
    if (const auto arp = parse_arp(frame))
      keep({.address = arp->sender_ip, .mac = arp->sender_mac, .operation = arp->operation});
  });
  if (!ndisc_) return claims;
  read_each(*ndisc_, [&](std::span<const std::uint8_t> frame) {
    if (const auto na = parse_neighbour_advertisement(frame))
      keep({.address = na->target, .mac = na->mac, .operation = std::nullopt});
  });
  return claims;
}

}  // namespace vipward
