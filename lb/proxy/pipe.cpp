#include "lb/proxy/pipe.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <utility>

namespace vipward {
namespace {

// Tried in this order: a user may have 64 MiB in pipes, who has more gets them of two pages. With less than
// the last one it is cheaper to copy.
constexpr std::array kRooms{static_cast<int>(Pipe::kMostBytes), 256 * 1024, 64 * 1024};

// What is moved to a sink that has no room, as only its EAGAIN makes epoll tell of room again.
constexpr std::size_t kLeastBytes = 16 * 1024;

// Each try would be some system calls for every piece that is copied instead.
constexpr unsigned kRetryAfterMoves = 100;

// As often as it has to work before a refusal is said again.
constexpr unsigned kForgottenAfterMoves = 10'000;

// A fault of splice(2), and not of the socket: a filter of system calls, no memory. A filter may say
// anything, but a connection that has failed is over, which poll(2) knows without taking the error.
bool is_splices_own(int error, int socket) {
  if (error == ENOSYS || error == EPERM || error == EINVAL || error == ENOMEM) return true;
  pollfd asked{.fd = socket, .events = 0, .revents = 0};
  return error != EAGAIN && poll(&asked, 1, 0) == 0;
}

// splice(2) without waiting, whatever the pipe says. Negative: -errno.
ssize_t splice_some(int from, int to, std::size_t most_bytes) {
  for (;;) {
    const ssize_t moved = splice(from, nullptr, to, nullptr, most_bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (moved >= 0) return moved;
    if (errno != EINTR) return -errno;
  }
}

// net.ipv4.tcp_notsent_lowat (ip-sysctl.rst), of this network namespace. No file: no limit.
std::uint32_t read_unsent_limit() {
  std::uint32_t limit = std::numeric_limits<std::uint32_t>::max();
  std::ifstream("/proc/sys/net/ipv4/tcp_notsent_lowat") >> limit;
  return limit;
}

std::size_t left_of(std::uint32_t limit, std::uint32_t used) {
  return limit > used ? limit - used : 0;
}

}  // namespace

Pipe::Pipe(Counter& spliced_bytes, std::function<void(int error)> on_refused)
    : spliced_bytes_(spliced_bytes), on_refused_(std::move(on_refused)) {}

Pipe::Move Pipe::move(int source, int sink, std::size_t most_bytes, std::vector<std::byte>& unsent) {
  if (!open()) return {};
  const std::size_t wanted = std::min({most_bytes, room_, room_of(sink)});
  Move move{.received = splice_some(source, write_end_.get(), wanted)};
  if (move.received < 0) {
    const int error = static_cast<int>(-move.received);
    const bool is_own = is_splices_own(error, source);
    if (is_own) refuse(error);
    if (is_own || error == EAGAIN) move.received = 0;
  }
  if (move.received <= 0) return move;
  const auto received = static_cast<std::size_t>(move.received);
  while (move.sent < received && move.sink_error == 0) {
    const ssize_t sent = splice_some(read_end_.get(), sink, received - move.sent);
    if (sent > 0) move.sent += static_cast<std::size_t>(sent);
    if (sent <= 0) move.sink_error = sent < 0 ? static_cast<int>(-sent) : EAGAIN;
  }
  spliced_bytes_.add(move.sent);
  if (++moves_since_refusal_ == kForgottenAfterMoves) was_refused_ = false;
  if (move.sink_error == 0) return move;
  const bool is_own = is_splices_own(move.sink_error, sink);
  if (is_own || move.sink_error == EAGAIN) {
    read_out(received - move.sent, unsent);
  } else {
    close();  // what nobody will take must not be found by the next one
  }
  if (is_own) refuse(std::exchange(move.sink_error, EAGAIN));
  return move;
}

// About what can be sent before the socket says EAGAIN: sk_stream_memory_free() in include/net/sock.h.
std::size_t Pipe::room_of(int sink) const {
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t size = sizeof memory;
  if (getsockopt(sink, SOL_SOCKET, SO_MEMINFO, memory.data(), &size) != 0) return kLeastBytes;
  std::size_t room = left_of(memory[SK_MEMINFO_SNDBUF], memory[SK_MEMINFO_WMEM_QUEUED]);
  if (int unsent = 0; unsent_limit_ < Pipe::kMostBytes && ioctl(sink, SIOCOUTQNSD, &unsent) == 0)
    room = std::min(room, left_of(unsent_limit_, static_cast<std::uint32_t>(unsent)));
  return std::max(room, kLeastBytes);
}

bool Pipe::open() {
  if (moves_until_retry_ > 0) {
    --moves_until_retry_;
    return false;
  }
  if (read_end_) return true;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
    refuse(errno);
    return false;
  }
  read_end_.reset(ends[0]);
  write_end_.reset(ends[1]);
  const auto fits = [this](int room) { return fcntl(write_end_.get(), F_SETPIPE_SZ, room) >= room; };
  const auto* const room = std::ranges::find_if(kRooms, fits);
  if (room == kRooms.end()) {
    close();
    refuse(ENOBUFS);
    return false;
  }
  room_ = static_cast<std::size_t>(*room);
  unsent_limit_ = read_unsent_limit();
  return true;
}

void Pipe::refuse(int error) {
  moves_until_retry_ = kRetryAfterMoves;
  moves_since_refusal_ = 0;
  if (!std::exchange(was_refused_, true)) on_refused_(error);
}

void Pipe::close() {
  read_end_.reset();
  write_end_.reset();
  room_ = 0;
}

void Pipe::read_out(std::size_t bytes, std::vector<std::byte>& into) {
  into.resize(bytes);
  for (std::size_t have = 0; have < bytes;) {
    const ssize_t got = read(read_end_.get(), into.data() + have, bytes - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();  // they are there, and nobody else reads
    have += static_cast<std::size_t>(got);
  }
}

}  // namespace vipward
