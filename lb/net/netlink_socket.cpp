#include "lb/net/netlink_socket.h"

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <iterator>
#include <string>
#include <system_error>

namespace vipward {
namespace {

constexpr int kMostWaits = 4;
constexpr int kWaitMilliseconds = 25;
// A dump comes in datagrams of up to 32 KiB (netlink(7)); the largest for which the kernel asks.
constexpr std::size_t kDatagram = 32768;
constexpr int kMostDatagrams = 4096;  // of one answer
constexpr int kMostPerDrain = 512;    // of a monitor
constexpr int kMostDumps = 8;         // in a row that met a change

Fd open_route_socket(std::uint32_t groups, const char* what) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return fd;
}

// The size of the datagram received, or -errno. From the kernel only: a process of this host may send to a
// netlink socket too.
ssize_t receive_datagram(int fd, std::span<std::byte> into) {
  sockaddr_nl from{};
  iovec part{.iov_base = into.data(), .iov_len = into.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
  if (size < 0) return -errno;
  if (from.nl_pid != 0) return 0;
  // A part of it is missing: as good as lost.
  return (message.msg_flags & MSG_TRUNC) != 0 ? -ENOBUFS : size;
}

}  // namespace

NetlinkRequests::NetlinkRequests() : fd_(open_route_socket(0, "cannot open a netlink socket")) {
  // Answers without the request in them. Refused by kernels before 4.2, whose answers are longer.
  const int on = 1;
  setsockopt(fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
}

int NetlinkRequests::send(AddressRequest request, const HostAddress& address) {
  NetlinkAnswer answer;
  const std::uint32_t sequence = ++sequence_;
  return transact(encode(request, address, sequence), sequence, answer);
}

int NetlinkRequests::dump(std::vector<NetlinkEvent>& events) {
  const std::size_t before = events.size();
  int error = dump_one(NetlinkDump::Links, events);
  if (error == 0) error = dump_one(NetlinkDump::Addresses, events);
  if (error != 0) events.resize(before);
  return error;
}

int NetlinkRequests::dump_one(NetlinkDump what, std::vector<NetlinkEvent>& events) {
  for (int attempt = 0; attempt < kMostDumps; ++attempt) {
    NetlinkAnswer answer;
    const std::uint32_t sequence = ++sequence_;
    if (const int error = transact(encode(what, sequence), sequence, answer); error != 0) return error;
    if (answer.is_interrupted) continue;
    events.insert(events.end(), answer.events.begin(), answer.events.end());
    return 0;
  }
  return EINTR;
}

int NetlinkRequests::transact(std::span<const std::byte> request, std::uint32_t sequence,
                              NetlinkAnswer& answer) {
  if (::send(fd_.get(), request.data(), request.size(), 0) < 0) return errno;
  std::array<std::byte, kDatagram>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by recvmsg
  int waits = 0;
  for (int datagram = 0; datagram < kMostDatagrams && !answer.result; ++datagram) {
    const ssize_t size = receive_datagram(fd_.get(), buffer);
    if (size >= 0) {
      decode(std::span(buffer).first(static_cast<std::size_t>(size)), sequence, answer);
    } else if (size != -EAGAIN) {
      return static_cast<int>(-size);
    } else if (++waits <= kMostWaits) {
      pollfd wait{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      poll(&wait, 1, kWaitMilliseconds);
    } else {
      return ETIMEDOUT;
    }
  }
  return answer.result.value_or(ETIMEDOUT);
}

NetlinkMonitor::NetlinkMonitor(Options options)
    : fd_(open_route_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                            "cannot watch the network interfaces")) {
  // Beyond net.core.rmem_max with CAP_NET_ADMIN only, else as much as that allows.
  const int bytes = options.receive_buffer_bytes;
  if (setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
}

NetlinkMonitor::Drained NetlinkMonitor::drain(std::vector<NetlinkEvent>& events) {
  std::array<std::byte, kDatagram>
      buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by recvmsg
  NetlinkAnswer answer;
  Drained result = Drained::More;
  bool lost = false;
  for (int datagram = 0; datagram < kMostPerDrain; ++datagram) {
    const ssize_t size = receive_datagram(fd_.get(), buffer);
    if (size == -EAGAIN) {
      result = Drained::All;
      break;
    }
    if (size < 0) {
      lost = true;
    } else {
      decode(std::span(buffer).first(static_cast<std::size_t>(size)), std::nullopt, answer);
    }
  }
  events.insert(events.end(), std::make_move_iterator(answer.events.begin()),
                std::make_move_iterator(answer.events.end()));
  return lost ? Drained::Overrun : result;
}

}  // namespace vipward
