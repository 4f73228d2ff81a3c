#include "lb/net/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace vipward {

void Fd::reset(int fd) {
  // Linux frees the number even when close() says EINTR: never try again (close(2), "Dealing with error
  // returns").
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Fd Fd::duplicate() const {
  return duplicate_of(fd_);
}

void make_room_for_descriptors(std::uint64_t count) {
  // A megabyte of the kernel's memory, which is taken at once.
  constexpr std::uint64_t kMost = 128 * 1024;
  const Fd any(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd last(
      fcntl(any.get(), F_DUPFD_CLOEXEC, static_cast<int>(std::clamp<std::uint64_t>(count, 1, kMost) - 1)));
}

Fd duplicate_of(int fd) {
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace vipward
