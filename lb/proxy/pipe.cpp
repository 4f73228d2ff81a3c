#include "lb/proxy/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "lb/proxy/pipe_pool.h"

namespace vipward {
namespace {

// Tried in this order: a user may have 64 MiB in pipes, who has more gets them of two pages. With less than
// the last one it is cheaper to copy.
constexpr std::array kRooms{static_cast<int>(Pipe::kMostBytes), 256 * 1024, 64 * 1024};

// 0: it has less than the least of them.
std::size_t make_room(int pipe) {
  for (const int room : kRooms) {
    if (fcntl(pipe, F_SETPIPE_SZ, room) >= room) return static_cast<std::size_t>(room);
  }
  return 0;
}

// splice(2) without waiting, whatever the pipe says. Negative: -errno.
ssize_t splice_some(int from, int to, std::size_t most_bytes) {
  for (;;) {
    const ssize_t moved = splice(from, nullptr, to, nullptr, most_bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (moved >= 0) return moved;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

std::unique_ptr<Pipe> Pipe::make(PipePool& pool) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const std::size_t room = make_room(write_end.get());
  if (room == 0) {
    errno = ENOBUFS;
    return nullptr;
  }
  return std::unique_ptr<Pipe>(new Pipe(pool, std::move(read_end), std::move(write_end), room));
}

Pipe::Pipe(PipePool& pool, Fd read_end, Fd write_end, std::size_t room)
    : pool_(pool), read_end_(std::move(read_end)), write_end_(std::move(write_end)), room_(room) {}

ssize_t Pipe::fill(int source, std::size_t most_bytes) {
  const ssize_t filled = splice_some(source, write_end_.get(), std::min(most_bytes, room_));
  if (filled > 0) bytes_ += static_cast<std::size_t>(filled);
  return filled;
}

ssize_t Pipe::pour(int sink) {
  const ssize_t poured = splice_some(read_end_.get(), sink, bytes_);
  if (poured > 0) {
    bytes_ -= static_cast<std::size_t>(poured);
    pool_.count(static_cast<std::size_t>(poured));
  }
  return poured;
}

std::vector<std::byte> Pipe::read_out() {
  std::vector<std::byte> all(bytes_);
  std::size_t have = 0;
  while (have < all.size()) {
    const ssize_t got = read(read_end_.get(), all.data() + have, all.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();  // it holds them, and nobody else reads
    have += static_cast<std::size_t>(got);
  }
  bytes_ = 0;
  return all;
}

}  // namespace vipward
