#include "lb/channel/packet_socket.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lb/net/socket.h"

namespace vipward::channel {
namespace {

using namespace std::chrono_literals;

// For shortages that no readiness tells the end of.
constexpr auto kRetryPause = 10ms;

constexpr std::size_t kControlSpace = CMSG_SPACE(kMostDescriptors * sizeof(int));

struct alignas(cmsghdr) ControlBuffer {
  std::array<std::byte, kControlSpace> bytes{};
};

std::vector<Fd> take_descriptors(msghdr& header) {
  std::vector<Fd> result;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      result.emplace_back(fd);
    }
  }
  return result;
}

}  // namespace

PacketSocket::PacketSocket(Loop& loop, Fd socket, Options options, Handlers handlers)
    : handlers_(std::move(handlers)),
      options_(options),
      socket_(std::move(socket)),
      buffer_(kLongestPacket),
      poll_(loop, socket_.get(), [this](Poll::Ready ready) { on_ready(ready); }),
      retry_(loop, [this] { flush(); }) {
  watch();
}

PacketSocket::~PacketSocket() {
  *alive_ = false;
}

bool PacketSocket::send(Outgoing outgoing) {
  if (ended_ || queue_.size() >= kLongestQueue) return false;
  queue_.push_back(std::move(outgoing));
  if (queue_.size() == 1) flush();
  return !ended_;
}

PacketSocket::Sent PacketSocket::try_send(const Packet& packet) {
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
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return Sent::Yes;
  switch (errno) {
    case EAGAIN:
      return Sent::WhenWritable;
    case ENOBUFS:
    case ENOMEM:
    case ETOOMANYREFS:  // descriptors in flight: goes when the other end has received some (unix(7))
      return Sent::Later;
    default:
      return Sent::Never;
  }
}

void PacketSocket::flush() {
  Sent sent = Sent::Yes;
  while (!queue_.empty() && (sent = try_send(queue_.front().packet)) == Sent::Yes) {
    ++sent_;
    queue_.pop_front();
  }
  // Nobody is called from within send().
  if (sent == Sent::Never) return give_up();
  if (sent == Sent::Later) retry_.arm_after(kRetryPause);
  const bool wants_write = sent == Sent::WhenWritable;
  if (wants_write == wants_write_) return;
  wants_write_ = wants_write;
  watch();
}

void PacketSocket::watch() {
  poll_.watch({.read = true, .write = wants_write_});
}

void PacketSocket::give_up() {
  if (std::exchange(ended_, true)) return;
  queue_.clear();
  retry_.cancel();
  wants_write_ = false;
  shutdown(socket_.get(), SHUT_RDWR);
  watch();
}

void PacketSocket::on_ready(Poll::Ready ready) {
  // unix(7): who goes with something unread leaves ECONNRESET behind, in front of what it had sent. It is
  // told once.
  if (ready.failed && std::exchange(failed_before_, true)) return end(handlers_.on_closed);
  if (ready.failed) {
    take_error(socket_.get());
    return watch();
  }
  if (ready.writable) flush();
  if (ready.readable) receive();
}

void PacketSocket::receive() {
  const auto alive = alive_;
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    if (!receive_one() || !*alive) return;
  }
}

bool PacketSocket::receive_one() {
  iovec data{buffer_.data(), buffer_.size()};
  ControlBuffer control;
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (options_.accepts_descriptors) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
  }
  const ssize_t got = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got < 0 && errno == ECONNRESET && !std::exchange(failed_before_, true)) return true;
  // Also an empty packet, which nobody of ours sends.
  if (got <= 0) {
    end(handlers_.on_closed);
    return false;
  }
  std::vector<Fd> descriptors = take_descriptors(header);
  if ((header.msg_flags & MSG_CTRUNC) != 0 && options_.accepts_descriptors) {
    // The space is enough for all that the kernel lets a packet carry: it was the process that had no room.
    descriptors.clear();
    const auto alive = alive_;
    const auto call = handlers_.on_descriptors_lost;
    call({buffer_.data(), static_cast<std::size_t>(got)});
    return *alive;
  }
  const bool whole = (header.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0;
  const auto alive = alive_;
  if (whole && handlers_.on_packet({buffer_.data(), static_cast<std::size_t>(got)}, std::move(descriptors)))
    return true;
  if (*alive) end(handlers_.on_refused);
  return false;
}

void PacketSocket::end(const std::function<void()>& handler) {
  ended_ = true;
  queue_.clear();
  retry_.cancel();
  poll_.watch({});
  const auto call = handler;  // it may destroy this, and with it the handlers
  call();
}

}  // namespace vipward::channel
