#include "lb/net/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace vipward {
namespace {

constexpr int kPriority = 6;    // TC_PRIO_INTERACTIVE: before bulk data in a full queue
constexpr int kMostErrors = 8;  // pending ones that one receive() takes away

}  // namespace

PacketSocket::PacketSocket(std::uint16_t protocol, std::span<const sock_filter> filter)
    // Of protocol 0 at first: it receives nothing before the filter is in place.
    : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), protocol_(protocol) {
  const auto fail = [] {
    throw std::system_error(errno, std::generic_category(), "cannot open a packet socket");
  };
  if (!fd_) fail();
  if (!filter.empty()) {
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = const_cast<sock_filter*>(filter.data())};
    if (setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) fail();
  }
  const int on = 1;  // since Linux 4.20; before that, own frames are received and told apart by their sender
  setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  setsockopt(fd_.get(), SOL_SOCKET, SO_PRIORITY, &kPriority, sizeof kPriority);
}

int PacketSocket::attach(unsigned index) {
  index_ = 0;
  // Binding to interface 0 would be to all of them; the old one is gone and sends nothing.
  if (index == 0) return 0;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol_);
  address.sll_ifindex = static_cast<int>(index);
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  index_ = index;
  return 0;
}

int PacketSocket::send(std::span<const std::uint8_t> frame) {
  if (index_ == 0) return ENXIO;
  const auto try_send = [&] { return ::send(fd_.get(), frame.data(), frame.size(), 0) < 0 ? errno : 0; };
  const int error = try_send();
  // Perhaps of an interface that was down some time ago: said once, and gone by having been said.
  return error == ENETDOWN ? try_send() : error;
}

std::optional<std::size_t> PacketSocket::receive(std::span<std::uint8_t> into) {
  for (int errors = 0; errors < kMostErrors; ++errors) {
    const ssize_t size = recv(fd_.get(), into.data(), into.size(), 0);
    if (size >= 0) return static_cast<std::size_t>(size);
    if (errno == EAGAIN) return std::nullopt;
    // ENETDOWN, see send().
  }
  return std::nullopt;
}

}  // namespace vipward
