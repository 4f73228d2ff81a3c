// A kernel pipe between two sockets: splice(2) moves what has arrived into it, and out of it into the other
// one, without copying a byte to this process. Owner: a PipePool, lent to a Relay while there are bytes in
// it; worker thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "lb/net/fd.h"

namespace vipward {

class PipePool;

class Pipe {
 public:
  // What one takes at most, if the kernel gives it the room: also what may be on its way at a handover.
  static constexpr std::size_t kMostBytes = std::size_t{1024} * 1024;

  // Empty leaves errno: no descriptors, or (ENOBUFS) so many pages of this user's are in pipes already that
  // the kernel gives no room worth the while (pipe(7), /proc/sys/fs/pipe-user-pages-soft).
  static std::unique_ptr<Pipe> make(PipePool& pool);

  // From a non-blocking stream socket, at most `most_bytes`. Only while it is empty: a full pipe says EAGAIN
  // as an empty socket does. Returns bytes; 0: the stream has ended; negative: -errno, and an error of the
  // socket is taken with it (SO_ERROR). -EAGAIN also stands for an urgent byte at the front, which only
  // recv(2) gets past.
  ssize_t fill(int source, std::size_t most_bytes);
  // To a non-blocking socket, as much as that takes of what is in it. SIGPIPE must be ignored. Returns bytes,
  // or -errno.
  ssize_t pour(int sink);
  // To the process. Empty afterwards.
  std::vector<std::byte> read_out();

  bool is_empty() const { return bytes_ == 0; }
  std::size_t room() const { return room_; }  // bytes
  PipePool& pool() const { return pool_; }

 private:
  Pipe(PipePool& pool, Fd read_end, Fd write_end, std::size_t room);

  PipePool& pool_;
  Fd read_end_;
  Fd write_end_;
  std::size_t room_;
  std::size_t bytes_ = 0;
};

}  // namespace vipward
