#include "lb/vip/vrrp_socket.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace vipward {
namespace {

constexpr int kTrafficClass = 0xc0;  // CS6, internetwork control, as keepalived and FRR
constexpr int kPriority = 6;         // TC_PRIO_INTERACTIVE: before bulk data in a full queue
constexpr int kMostErrors = 8;       // pending ones that one receive() takes away
// In <linux/in6.h> alone, which <netinet/in.h> does not like beside it. Linux 4.20.
constexpr int kIpv6MulticastAll = 29;

template <class T>
bool set_option(int fd, int level, int name, const T& value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Without IP_MULTICAST_ALL 0 it hears what any other program of this host has joined; without *_LOOP 0
// itself.
bool set_ipv4_options(int fd) {
  return set_option(fd, IPPROTO_IP, IP_TTL, int{kVrrpTtl}) &&
         set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, int{kVrrpTtl}) &&
         set_option(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0) &&
         set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
         set_option(fd, IPPROTO_IP, IP_TOS, kTrafficClass) &&
         set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
}

bool set_ipv6_options(int fd) {
  return set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, int{kVrrpTtl}) &&
         set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int{kVrrpTtl}) &&
         set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0) &&
         set_option(fd, IPPROTO_IPV6, kIpv6MulticastAll, 0) &&
         set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, kTrafficClass) &&
         set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
         set_option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
}

bool set_options(int fd, int family) {
  return (family == AF_INET6 ? set_ipv6_options(fd) : set_ipv4_options(fd)) &&
         // After IP_TOS, which sets it too.
         set_option(fd, SOL_SOCKET, SO_PRIORITY, kPriority);
}

// `change`: MCAST_JOIN_GROUP or MCAST_LEAVE_GROUP (RFC 3678, section 5.1).
bool change_membership(int fd, int family, unsigned index, int change) {
  group_req request{};
  request.gr_interface = index;
  SocketAddress(vrrp_group(family), 0).to_sockaddr(request.gr_group);
  return set_option(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP, change, request);
}

std::string error_text(const std::string& what) {
  return what + ": " + std::generic_category().message(errno);
}

// Appends one control message to a header whose buffer is large enough and zeroed.
template <class T>
void add_control(msghdr& header, int level, int type, const T& value) {
  cmsghdr* first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = level;
  first->cmsg_type = type;
  first->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(first), &value, sizeof value);
  header.msg_controllen = CMSG_SPACE(sizeof value);
}

template <class T>
std::optional<T> find_control(msghdr& header, int level, int type) {
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level != level || one->cmsg_type != type || one->cmsg_len < CMSG_LEN(sizeof(T))) continue;
    T value;
    std::memcpy(&value, CMSG_DATA(one), sizeof value);
    return value;
  }
  return std::nullopt;
}

IpAddress address_of(const in6_addr& bytes) {
  return *IpAddress::from_bytes(bytes.s6_addr);
}

// On the interface, where the address means nothing without one. The port of a raw IPv6 socket's address is 0
// or the protocol.
socklen_t to_sockaddr(const IpAddress& address, unsigned index, sockaddr_storage& storage) {
  const socklen_t size = SocketAddress(address, 0).to_sockaddr(storage);
  if (address.is_v4() || (!address.is_link_local() && !address.is_multicast())) return size;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &storage, sizeof v6);
  v6.sin6_scope_id = index;
  std::memcpy(&storage, &v6, sizeof v6);
  return size;
}

// A raw AF_INET6 socket gives the message alone (RFC 3542, section 3); what the header said comes beside it.
std::variant<VrrpDatagram, VrrpRejectReason> ipv6_datagram(msghdr& header, const sockaddr_storage& from,
                                                           std::span<const std::uint8_t> message) {
  const auto to = find_control<in6_pktinfo>(header, IPPROTO_IPV6, IPV6_PKTINFO);
  const auto hops = find_control<int>(header, IPPROTO_IPV6, IPV6_HOPLIMIT);
  if (!to || !hops) return VrrpRejectReason::AddressFamily;
  return VrrpDatagram{.source = IpAddress::from_sockaddr(from),
                      .destination = address_of(to->ipi6_addr),
                      .ttl = static_cast<std::uint8_t>(*hops),
                      .message = message};
}

}  // namespace

VrrpSocket::VrrpSocket(int family)
    : family_(family), fd_(::socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, kVrrpProtocol)) {
  const int fd = fd_.get();
  sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog deaf{.len = 1, .filter = &nothing};
  if (!fd_ || !set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, deaf) || !set_options(fd, family)) {
    throw std::system_error(errno, std::generic_category(), "cannot open a raw socket for VRRP");
  }
  // What came in before the filter.
  std::array<std::uint8_t, 64> ignored{};
  while (receive(ignored)) continue;
}

VrrpSocket::VrrpSocket(int family, Fd inherited, unsigned index)
    : family_(family), fd_(std::move(inherited)), index_(index) {
  // An older version may have known fewer of them. They were accepted once: there is nothing to be said.
  set_options(fd_.get(), family_);
}

std::optional<std::string> VrrpSocket::attach(const std::string& name, unsigned index) {
  if (index_ != 0) change_membership(fd_.get(), family_, index_, MCAST_LEAVE_GROUP);
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
  if (!change_membership(fd_.get(), family_, index, MCAST_JOIN_GROUP) && errno != EADDRINUSE) {
    return error_text("cannot join " + vrrp_group(family_).to_string() + " on " + name);
  }
  return std::nullopt;
}

int VrrpSocket::send(const IpAddress& from, const IpAddress& to, std::span<const std::uint8_t> message) {
  if (index_ == 0) return ENODEV;
  sockaddr_storage target{};
  const socklen_t size = to_sockaddr(to, index_, target);
  iovec part{.iov_base = const_cast<std::uint8_t*>(message.data()), .iov_len = message.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr header{};
  header.msg_name = &target;
  header.msg_namelen = size;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  // The source by the packet, not by bind(2): a bound raw socket no longer hears multicast.
  if (family_ == AF_INET6) {
    in6_pktinfo info{};
    info.ipi6_ifindex = index_;
    std::memcpy(&info.ipi6_addr, from.bytes().data(), sizeof info.ipi6_addr);
    add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(index_);
    std::memcpy(&info.ipi_spec_dst, from.bytes().data(), sizeof info.ipi_spec_dst);
    add_control(header, IPPROTO_IP, IP_PKTINFO, info);
  }
  return sendmsg(fd_.get(), &header, 0) < 0 ? errno : 0;
}

std::optional<std::variant<VrrpDatagram, VrrpRejectReason>> VrrpSocket::receive(
    std::span<std::uint8_t> into) {
  for (int errors = 0; errors < kMostErrors; ++errors) {
    sockaddr_storage from{};
    iovec part{.iov_base = into.data(), .iov_len = into.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int))>
        control{};
    msghdr header{};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t size = recvmsg(fd_.get(), &header, 0);
    if (size >= 0) {
      const auto bytes = into.first(static_cast<std::size_t>(size));
      if (family_ == AF_INET6) return ipv6_datagram(header, from, bytes);
      return parse_ipv4_datagram(bytes);
    }
    if (errno == EAGAIN) return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace vipward
