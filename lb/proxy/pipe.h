// A kernel pipe between two sockets: splice(2) moves what has arrived into it, and out of it to the other
// one, without copying a byte to this process. One per worker, for all its relays: it is empty between two
// calls. Owner: a worker; its thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "lb/net/fd.h"
#include "lb/stats/counter.h"

namespace vipward {

class Pipe {
 public:
  // What one move takes at most, if the kernel gives the pipe that room.
  static constexpr std::size_t kMostBytes = std::size_t{1024} * 1024;

  // It is opened when it is first needed. `spliced_bytes` counts what went through it to a sink. `on_refused`
  // when it cannot be had: no descriptors, no splice(2) (ENOSYS, EPERM, whatever a filter says), or (ENOBUFS)
  // so many pages of this user's are in pipes already that the kernel gives no room worth the while (pipe(7),
  // /proc/sys/fs/pipe-user-pages-soft). It is tried again after a while; on_refused hears of it again only
  // when it has worked for long.
  Pipe(Counter& spliced_bytes, std::function<void(int error)> on_refused);
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  struct Move {
    // Taken from the source. 0: nothing was moved, and recv(2) has to tell why. There is no pipe; the socket
    // is empty; the stream has ended; or an urgent byte stands at the front, which splice(2) does not get
    // past, and does not tell from an end if one is behind it. Negative: -errno of the socket, whose SO_ERROR
    // is taken.
    ssize_t received = 0;
    std::size_t sent = 0;  // of them, to the sink
    // Why not all were. EAGAIN: the rest is in `unsent`, and may be sent; any other: it is lost.
    int sink_error = 0;
  };
  // From one non-blocking TCP socket to another, at most `most_bytes` and about what the sink has room for,
  // so that little is left over, unless the kernel changes its mind meanwhile. SIGPIPE must be ignored.
  Move move(int source, int sink, std::size_t most_bytes, std::vector<std::byte>& unsent);

  std::size_t room() const { return room_; }  // bytes; 0 while it is not open

 private:
  bool open();
  std::size_t room_of(int sink) const;
  void refuse(int error);
  void close();
  void read_out(std::size_t bytes, std::vector<std::byte>& into);

  Counter& spliced_bytes_;
  std::function<void(int)> on_refused_;
  bool was_refused_ = false;
  unsigned moves_until_retry_ = 0;
  unsigned moves_since_refusal_ = 0;
  Fd read_end_;
  Fd write_end_;
  std::size_t room_ = 0;
  std::uint32_t unsent_limit_ =
      0;  // bytes of a socket's that are not on the wire yet; as it was when the pipe was opened
};

}  // namespace vipward
