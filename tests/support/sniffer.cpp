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
#include <system_error>

namespace vipward::test {
namespace {

constexpr std::size_t kEthernetHeader = 14;
constexpr std::uint8_t kVrrp = 112;
constexpr std::size_t kMostBytes = 256;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// ARP, and IPv4 of protocol 112 (RFC 9568, section 5.1.1.4): what else crosses the bridge costs us nothing.
void take_only_vrrp_and_arp(int socket) {
  std::array<sock_filter, 7> program{{
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kVrrp, 0, 1),
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
  take_only_vrrp_and_arp(socket.get());
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

IpAddress address_at(const std::uint8_t* bytes) {
  std::array<char, INET_ADDRSTRLEN> text{};
  inet_ntop(AF_INET, bytes, text.data(), text.size());
  return *IpAddress::parse(text.data());
}

std::string mac_at(const std::uint8_t* bytes) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                bytes[3], bytes[4], bytes[5]);
  return text.data();
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
    keep(bytes.data(), static_cast<std::size_t>(size), from.sll_ifindex, time_of(message));
  }
}

void Sniffer::keep(const std::uint8_t* bytes, std::size_t size, int interface, FrameTime time) {
  auto host = hosts_.find(interface);
  if (host == hosts_.end()) {
    std::array<char, IF_NAMESIZE> name{};
    if (if_indextoname(static_cast<unsigned>(interface), name.data()) == nullptr) return;
    host = hosts_.emplace(interface, name.data()).first;
  }
  // The bridge itself gets its copy of what is flooded.
  if (host->second == "br0" || size < kEthernetHeader + 28) return;
  const bool is_arp = bytes[12] == 0x08 && bytes[13] == 0x06;
  const std::uint8_t* const packet = bytes + kEthernetHeader;
  const std::lock_guard lock(mutex_);
  if (is_arp && arps_.size() < kMostFrames) {
    arps_.push_back({.time = time,
                     .host = host->second,
                     .operation = static_cast<std::uint16_t>(packet[6] << 8 | packet[7]),
                     .sender_mac = mac_at(packet + 8),
                     .sender = address_at(packet + 14),
                     .target = address_at(packet + 24)});
  } else if (!is_arp && advertisements_.size() < kMostFrames) {
    const std::size_t header = (packet[0] & 0x0fU) * 4U;
    if (size < kEthernetHeader + header + 8) return;
    const std::uint8_t* const vrrp = packet + header;
    // Twelve bits of hundredths of a second (RFC 9568, section 5.2.7).
    const int hundredths = (vrrp[4] & 0x0f) << 8 | vrrp[5];
    advertisements_.push_back({.time = time,
                               .host = host->second,
                               .source = address_at(packet + 12),
                               .destination = address_at(packet + 16),
                               .ttl = packet[8],
                               .version = static_cast<std::uint8_t>(vrrp[0] >> 4),
                               .vrid = vrrp[1],
                               .priority = vrrp[2],
                               .interval = std::chrono::milliseconds(10 * hundredths)});
  }
}

std::vector<AdvertisementFrame> Sniffer::advertisements(FrameTime moment) const {
  const std::lock_guard lock(mutex_);
  return since(advertisements_, moment);
}

std::vector<ArpFrame> Sniffer::arps(FrameTime moment) const {
  const std::lock_guard lock(mutex_);
  return since(arps_, moment);
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

std::vector<std::string> Sniffer::claims(FrameTime moment) const {
  std::vector<std::string> hosts;
  for (const AdvertisementFrame& frame : advertisements(moment)) {
    if (frame.is_release()) continue;
    if (hosts.empty() || hosts.back() != frame.host) hosts.push_back(frame.host);
  }
  return hosts;
}

}  // namespace vipward::test
