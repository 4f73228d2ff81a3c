// A file descriptor that is closed when its owner goes. Move-only; usable from any thread, one owner at a
// time.
#pragma once

#include <cstdint>
#include <utility>

namespace vipward {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // Gives the descriptor away: the caller closes it.
  int release() { return std::exchange(fd_, -1); }
  // Another descriptor for the same thing, close-on-exec. Empty leaves errno.
  Fd duplicate() const;
  // Closes what is held and takes `fd`.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The table of descriptors has room for `count`, as far as the limit allows. Where it grows while threads
// share it, the kernel waits for all processors first (fs/file.c, expand_fdtable: synchronize_rcu), and a
// loop that accepts stands still. While there is one thread it need not.
void make_room_for_descriptors(std::uint64_t count);

// The same for a descriptor that is somebody else's.
Fd duplicate_of(int fd);

}  // namespace vipward
