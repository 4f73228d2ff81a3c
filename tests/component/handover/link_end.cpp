#include "tests/component/handover/link_end.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tests/component/proxy/peer.h"

namespace vipward::test {
namespace {

struct alignas(cmsghdr) ControlBuffer {
  std::array<std::byte, CMSG_SPACE(channel::kMostDescriptors * sizeof(int))> bytes{};
};

}  // namespace

LinkEnd::LinkEnd(Fd socket) : socket_(std::move(socket)) {
  fcntl(socket_.get(), F_SETFL, 0);  // blocking
  const timeval limit{.tv_sec = kPatience.count() / 1000, .tv_usec = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

bool LinkEnd::send(const channel::Packet& packet) {
  iovec data{const_cast<std::uint8_t*>(packet.bytes.data()), packet.bytes.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  ControlBuffer control;
  if (const std::size_t size = packet.descriptors.size() * sizeof(int); size > 0) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(part), packet.descriptors.data(), size);
  }
  return sendmsg(socket_.get(), &header, MSG_NOSIGNAL) >= 0;
}

std::optional<LinkEnd::Received> LinkEnd::receive() {
  Received received;
  received.bytes.resize(channel::kLongestPacket);
  iovec data{received.bytes.data(), received.bytes.size()};
  ControlBuffer control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  ssize_t got = 0;
  do {
    got = recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
    // unix(7): told once, in front of what a peer that went has still sent.
  } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
  if (got <= 0) return std::nullopt;
  received.bytes.resize(static_cast<std::size_t>(got));
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      received.descriptors.emplace_back(fd);
    }
  }
  return received;
}

std::optional<handover::ToSuccessor> LinkEnd::hear_predecessor() {
  auto received = receive();
  if (!received) return std::nullopt;
  return handover::decode_to_successor(received->bytes, std::move(received->descriptors));
}

std::optional<handover::ToPredecessor> LinkEnd::hear_successor() {
  auto received = receive();
  if (!received) return std::nullopt;
  return handover::decode_to_predecessor(received->bytes, std::move(received->descriptors));
}

bool LinkEnd::wait_end() {
  do {
    errno = 0;
  } while (receive());
  return errno != EAGAIN;
}

}  // namespace vipward::test
