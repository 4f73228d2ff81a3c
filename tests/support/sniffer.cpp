#include "tests/support/sniffer.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

namespace vipward::test {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kEthernetHeader = 14;
constexpr std::size_t kEtherTypeAt = 12;
constexpr std::size_t kIpv6Header = 40;
constexpr std::size_t kVrrpHeader = 8;
constexpr std::uint8_t kVrrp = 112;
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::size_t kMostBytes = 256;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// ARP, IPv4 and IPv6 of protocol 112 (RFC 9568, sections 5.1.1.4 and 5.1.2.4), neighbour solicitations and
// advertisements: what else crosses the bridge costs us nothing.
void take_only_what_is_kept(int socket) {
  constexpr auto kTypeAt = kEthernetHeader + kIpv6Header;
  std::array<sock_filter, 14> program{{
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kEtherTypeAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 10, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 2),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kEthernetHeader + 9),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kVrrp, 7, 8),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 7),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kEthernetHeader + 6),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kVrrp, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kIcmpv6, 0, 4),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kTypeAt),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSolicitation, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kAdvertisement, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kMostBytes),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) fail("SO_ATTACH_FILTER");
}

Fd open_packet_socket() {
  // Protocol 0 hears nothing until it is bound: no frame passes unfiltered.
  Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!socket) fail("AF_PACKET");
  take_only_what_is_kept(socket.get());
  const int on = 1;
  if (setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) fail("SO_TIMESTAMPNS");
  const int room = 4 << 20;
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  // Every port, also those of hosts to come. ETH_P_ALL: the bridge takes frames before a protocol is asked.
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("AF_PACKET");
  return socket;
}

IpAddress address_at(Bytes bytes, std::size_t at, int family = AF_INET) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, bytes.subspan(at, family == AF_INET ? 4 : 16).data(), text.data(), text.size());
  return *IpAddress::parse(text.data());
}

std::string mac_at(Bytes bytes, std::size_t at) {
  const Bytes mac = bytes.subspan(at, 6);
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

unsigned word_at(Bytes bytes, std::size_t at) {
  return static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}

// What VRRP itself says.
AdvertisementFrame advertisement(Bytes vrrp) {
  AdvertisementFrame frame;
  frame.version = static_cast<std::uint8_t>(vrrp[0] >> 4);
  frame.vrid = vrrp[1];
  frame.priority = vrrp[2];
  // Twelve bits of hundredths of a second (RFC 9568, section 5.2.7).
  frame.interval = std::chrono::milliseconds(10 * (word_at(vrrp, 4) & 0xfffU));
  return frame;
}

std::optional<AdvertisementFrame> advertisement_of_ipv4(Bytes packet) {
  const std::size_t header = (packet[0] & 0x0fU) * 4U;
  if (packet.size() < header + kVrrpHeader) return std::nullopt;
  AdvertisementFrame frame = advertisement(packet.subspan(header));
  frame.source = address_at(packet, 12);
  frame.destination = address_at(packet, 16);
  frame.ttl = packet[8];
  return frame;
}

std::optional<AdvertisementFrame> advertisement_of_ipv6(Bytes packet) {
  if (packet.size() < kIpv6Header + kVrrpHeader) return std::nullopt;
  AdvertisementFrame frame = advertisement(packet.subspan(kIpv6Header));
  frame.source = address_at(packet, 8, AF_INET6);
  frame.destination = address_at(packet, 24, AF_INET6);
  frame.ttl = packet[7];
  return frame;
}

std::optional<NeighbourFrame> neighbour(Bytes frame) {
  constexpr std::size_t kShortest = 24;
  const Bytes packet = frame.subspan(kEthernetHeader);
  if (packet.size() < kIpv6Header + kShortest) return std::nullopt;
  const Bytes message = packet.subspan(kIpv6Header);
  const Bytes option = message.subspan(kShortest);
  const bool has_option = option.size() >= 8 && (option[0] == 1 || option[0] == 2) && option[1] == 1;
  NeighbourFrame result;
  result.type = message[0];
  result.source = address_at(packet, 8, AF_INET6);
  result.destination = address_at(packet, 24, AF_INET6);
  result.target = address_at(message, 8, AF_INET6);
  result.mac = has_option ? mac_at(option, 2) : mac_at(frame, 6);
  const auto has = [&](unsigned flag) { return result.is_advertisement() && (message[4] & flag) != 0; };
  result.is_router = has(0x80);
  result.is_solicited = has(0x40);
  result.is_override = has(0x20);
  return result;
}

std::optional<ArpFrame> arp(Bytes packet) {
  if (packet.size() < 28) return std::nullopt;
  ArpFrame frame;
  frame.operation = static_cast<std::uint16_t>(word_at(packet, 6));
  frame.sender_mac = mac_at(packet, 8);
  frame.sender = address_at(packet, 14);
  frame.target = address_at(packet, 24);
  return frame;
}

FrameTime time_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    return FrameTime(std::chrono::seconds(stamp.tv_sec) + std::chrono::nanoseconds(stamp.tv_nsec));
  }
  return FrameClock::now();
}

template <class Frame>
void add(std::vector<Frame>& frames, std::optional<Frame> frame, const std::string& host, FrameTime time) {
  if (!frame || frames.size() >= Sniffer::kMostFrames) return;
  frame->host = host;
  frame->time = time;
  frames.push_back(*std::move(frame));
}

template <class Frame>
std::vector<Frame> since(const std::vector<Frame>& frames, FrameTime moment) {
  std::vector<Frame> result;
  std::ranges::copy_if(frames, std::back_inserter(result),
                       [&](const Frame& frame) { return frame.time >= moment; });
  return result;
}

}  // namespace

Sniffer::Sniffer(const Network& net) {
  const InsideNamespace bridge = net.enter_bridge();
  socket_ = open_packet_socket();
  thread_ = std::thread([this] { run(); });
}

Sniffer::~Sniffer() {
  stopping_ = true;
  thread_.join();
}

void Sniffer::run() {
  std::array<std::uint8_t, kMostBytes> bytes;
  alignas(cmsghdr) std::array<char, 128> control;
  while (!stopping_) {
    pollfd watched{socket_.get(), POLLIN, 0};
    constexpr int kLookForStop = 50;
    if (poll(&watched, 1, kLookForStop) <= 0) continue;
    sockaddr_ll from{};
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = recvmsg(socket_.get(), &message, MSG_DONTWAIT);
    // What a port sends is what another one has received.
    if (size <= 0 || from.sll_pkttype == PACKET_OUTGOING) continue;
    const std::string* const host = host_of(from.sll_ifindex);
    // The bridge itself gets its copy of what is flooded.
    if (host == nullptr || *host == "br0") continue;
    keep(Bytes(bytes).first(static_cast<std::size_t>(size)), *host, time_of(message));
  }
}

// nullptr: the port has gone already.
const std::string* Sniffer::host_of(int interface) {
  auto host = hosts_.find(interface);
  if (host == hosts_.end()) {
    std::array<char, IF_NAMESIZE> name{};
    if (if_indextoname(static_cast<unsigned>(interface), name.data()) == nullptr) return nullptr;
    host = hosts_.emplace(interface, name.data()).first;
  }
  return &host->second;
}

void Sniffer::keep(Bytes frame, const std::string& host, FrameTime time) {
  // The filter has looked at as much of it.
  const Bytes packet = frame.subspan(kEthernetHeader);
  const unsigned ether_type = word_at(frame, kEtherTypeAt);
  const std::lock_guard lock(mutex_);
  if (ether_type == ETH_P_ARP) return add(arps_, arp(packet), host, time);
  if (ether_type == ETH_P_IP) return add(advertisements_, advertisement_of_ipv4(packet), host, time);
  if (packet[6] == kVrrp) return add(advertisements_, advertisement_of_ipv6(packet), host, time);
  add(neighbours_, neighbour(frame), host, time);
}

std::vector<AdvertisementFrame> Sniffer::advertisements(FrameTime moment) const {
  const std::lock_guard lock(mutex_);
  return since(advertisements_, moment);
}

std::vector<ArpFrame> Sniffer::arps(FrameTime moment) const {
  const std::lock_guard lock(mutex_);
  return since(arps_, moment);
}

std::vector<NeighbourFrame> Sniffer::neighbours(FrameTime moment) const {
  const std::lock_guard lock(mutex_);
  return since(neighbours_, moment);
}

std::vector<AdvertisementFrame> Sniffer::advertisements_of(const Host& host, FrameTime moment) const {
  std::vector<AdvertisementFrame> frames = advertisements(moment);
  std::erase_if(frames, [&](const AdvertisementFrame& frame) { return frame.host != host.name(); });
  return frames;
}

std::vector<ArpFrame> Sniffer::claims_of(const Host& host, const IpAddress& address, FrameTime moment) const {
  std::vector<ArpFrame> frames = arps(moment);
  std::erase_if(frames,
                [&](const ArpFrame& frame) { return frame.host != host.name() || frame.sender != address; });
  return frames;
}

std::vector<NeighbourFrame> Sniffer::neighbour_claims_of(const Host& host, const IpAddress& address,
                                                         FrameTime moment) const {
  std::vector<NeighbourFrame> frames = neighbours(moment);
  std::erase_if(frames, [&](const NeighbourFrame& frame) {
    return frame.host != host.name() || !frame.is_advertisement() || frame.target != address;
  });
  return frames;
}

std::vector<std::string> Sniffer::claims(FrameTime moment) const {
  std::vector<std::string> hosts;
  for (const AdvertisementFrame& frame : advertisements(moment)) {
    if (frame.is_release()) continue;
    if (hosts.empty() || hosts.back() != frame.host) hosts.push_back(frame.host);
  }
  return hosts;
}

}  // namespace vipward::test
