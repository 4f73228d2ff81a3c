#include "lb/vip/vrrp_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "lb/vip/packet.h"

namespace vipward {
namespace {

constexpr int kTos = 0xc0;      // CS6, internetwork control, as keepalived and FRR
constexpr int kPriority = 6;    // TC_PRIO_INTERACTIVE: before bulk data in a full queue
constexpr int kMostErrors = 8;  // pending ones that one receive() takes away

template <class T>
bool set_option(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

sockaddr_in to_sockaddr_in(const IpAddress& address) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  std::memcpy(&result.sin_addr, address.bytes().data(), sizeof result.sin_addr);
  return result;
}

ip_mreqn group_on(unsigned index) {
  ip_mreqn group{};
  group.imr_multiaddr.s_addr = htonl(0xe0000012);  // 224.0.0.18
  group.imr_ifindex = static_cast<int>(index);
  return group;
}

std::string error_text(const std::string& what) {
  return what + ": " + std::generic_category().message(errno);
}

}  // namespace

VrrpSocket::VrrpSocket() : fd_(::socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, kVrrpProtocol)) {
  const int fd = fd_.get();
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog deaf{.len = 1, .filter = &nothing};
  if (!fd_ || !set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, deaf) ||
      !set_option(fd, IPPROTO_IP, IP_TTL, int{kVrrpTtl}) || !set_option(fd, IPPROTO_IP, IP_TOS, kTos) ||
      // Else it hears what any other program of this host has joined.
      !set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) ||
      !set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT) ||
      // After IP_TOS, which sets it too.
      !set_option(fd, SOL_SOCKET, SO_PRIORITY, kPriority)) {
    throw std::system_error(errno, std::generic_category(), "cannot open a raw socket for VRRP");
  }
  // What came in before the filter.
  std::array<std::uint8_t, 64> ignored{};
  while (receive(ignored)) continue;
}

std::optional<std::string> VrrpSocket::attach(const std::string& name, unsigned index) {
  if (index_ != 0) set_option(fd_.get(), IPPROTO_IP, IP_DROP_MEMBERSHIP, group_on(index_));
  index_ = 0;
  if (index == 0) return std::nullopt;
  std::array<char, IFNAMSIZ> device{};
  name.copy(device.data(), device.size() - 1);
  if (!set_option(fd_.get(), SOL_SOCKET, SO_BINDTODEVICE, device)) {
    return error_text("cannot bind the VRRP socket to " + name);
  }
  const int ignored = 0;
  setsockopt(fd_.get(), SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
  index_ = index;
  if (!set_option(fd_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, group_on(index)) && errno != EADDRINUSE) {
    return error_text("cannot join 224.0.0.18 on " + name);
  }
  return std::nullopt;
}

int VrrpSocket::send(const IpAddress& from, const IpAddress& to, std::span<const std::uint8_t> message) {
  if (index_ == 0) return ENODEV;
  sockaddr_in target = to_sockaddr_in(to);
  iovec part{.iov_base = const_cast<std::uint8_t*>(message.data()), .iov_len = message.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in_pktinfo))> control{};
  msghdr header{};
  header.msg_name = &target;
  header.msg_namelen = sizeof target;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  // The source by the packet, not by bind(2): a bound raw socket no longer hears multicast.
  in_pktinfo info{};
  info.ipi_ifindex = static_cast<int>(index_);
  info.ipi_spec_dst = to_sockaddr_in(from).sin_addr;
  cmsghdr* first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = IPPROTO_IP;
  first->cmsg_type = IP_PKTINFO;
  first->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(first), &info, sizeof info);
  return sendmsg(fd_.get(), &header, 0) < 0 ? errno : 0;
}

std::optional<std::size_t> VrrpSocket::receive(std::span<std::uint8_t> into) {
  for (int errors = 0; errors < kMostErrors; ++errors) {
    const ssize_t size = recv(fd_.get(), into.data(), into.size(), 0);
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno == EAGAIN) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace vipward
