#include "lb/vip/announcer.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <utility>

namespace vipward {
namespace {

constexpr int kMostFramesPerDrain = 256;
constexpr std::uint32_t kSenderIpOffset = ETH_HLEN + 14;  // RFC 826: ar$spa for Ethernet and IPv4
constexpr std::uint32_t kWholeFrame = 0xffff;

std::uint32_t host_order(const IpAddress& address) {
  const auto& b = address.bytes();
  return (std::uint32_t{b[0]} << 24U) | (std::uint32_t{b[1]} << 16U) | (std::uint32_t{b[2]} << 8U) | b[3];
}

// Lets through what names one of the addresses as its sender, so that an ARP storm does not wake the
// guardian. A frame too short for the question is dropped by the kernel.
std::vector<sock_filter> claims_of(const std::vector<IpAddress>& addresses) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSenderIpOffset)};
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    // To the last instruction, past the other questions and the refusal.
    const auto jump = static_cast<std::uint8_t>(addresses.size() - i);
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, host_order(addresses[i]), jump, 0));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, kWholeFrame));
  return program;
}

ArpFrame frame_of(const Announcement& announcement, const MacAddress& own) {
  switch (announcement.kind) {
    case AnnouncementKind::GarpRequest:
      return garp_request(own, announcement.address);
    case AnnouncementKind::GarpReply:
      return garp_reply(own, announcement.address);
    case AnnouncementKind::Probe:
      return arp_probe(own, announcement.address);
  }
  return {};
}

}  // namespace

Announcer::Announcer(std::vector<IpAddress> addresses, Duration refresh)
    : addresses_(std::move(addresses)), socket_(ETH_P_ARP, claims_of(addresses_)), plan_(refresh) {}

int Announcer::attach(const Link* link) {
  if (link == nullptr) return socket_.attach(0);
  mac_ = link->mac;
  return socket_.interface() == link->index ? 0 : socket_.attach(link->index);
}

void Announcer::send_due(TimePoint now) {
  for (const Announcement& announcement : plan_.take_due(now)) {
    if (const int error = socket_.send(frame_of(announcement, mac_)); error != 0) {
      ++failed_;
      last_error_ = error;
    } else {
      ++sent_[static_cast<std::size_t>(announcement.kind)];
    }
  }
}

std::vector<ForeignClaim> Announcer::drain(const LinkTable& own) {
  std::vector<ForeignClaim> claims;
  std::array<std::uint8_t, ETH_FRAME_LEN> frame;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (int frames = 0; frames < kMostFramesPerDrain; ++frames) {
    const auto size = socket_.receive(frame);
    if (!size) break;
    const auto arp = parse_arp(std::span(frame).first(*size));
    if (!arp || own.has_mac(arp->sender_mac)) continue;
    if (std::ranges::find(addresses_, arp->sender_ip) == addresses_.end()) continue;
    const ForeignClaim claim{.address = arp->sender_ip, .mac = arp->sender_mac, .operation = arp->operation};
    if (std::ranges::find(claims, claim) == claims.end()) claims.push_back(claim);
  }
  return claims;
}

}  // namespace vipward
