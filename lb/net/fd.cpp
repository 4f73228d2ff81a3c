#include "lb/net/fd.h"

#include <fcntl.h>
#include <unistd.h>

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

Fd duplicate_of(int fd) {
  return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

}  // namespace vipward
