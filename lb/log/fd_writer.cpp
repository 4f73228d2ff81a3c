#include "lb/log/fd_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>
#include <string>

namespace vipward {
namespace {

using SteadyClock = std::chrono::steady_clock;

// How often a waiting writer looks whether the log is closing.
constexpr std::chrono::milliseconds kLook{50};

}  // namespace

FdWriter::FdWriter(int fd) : fd_(fd), deadline_(std::numeric_limits<SteadyClock::rep>::max()) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return;
  is_socket_ = S_ISSOCK(status.st_mode);
  // O_NONBLOCK belongs to the description, which the shell that started us may share: a new one of our own.
  // Not for files: the new description would have a position of its own.
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    reopened_.reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (reopened_) fd_ = reopened_.get();
  }
}

void FdWriter::close_by(SteadyClock::time_point deadline) {
  deadline_.store(deadline.time_since_epoch().count(), std::memory_order_relaxed);
}

void FdWriter::write(std::string_view line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const Outcome outcome = write_some(rest);
    if (outcome == Outcome::Progress) continue;
    if (outcome == Outcome::Broken || !wait_writable()) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
}

FdWriter::Outcome FdWriter::write_some(std::string_view& rest) {
  if (!is_socket_ && !reopened_) {
    // Possibly a blocking descriptor: ask first. A writable pipe takes PIPE_BUF bytes without blocking.
    pollfd ready{fd_, POLLOUT, 0};
    if (::poll(&ready, 1, 0) == 0) return Outcome::WouldBlock;
  }
  const std::size_t chunk = std::min<std::size_t>(rest.size(), PIPE_BUF);
  const ssize_t written = is_socket_ ? ::send(fd_, rest.data(), chunk, MSG_DONTWAIT | MSG_NOSIGNAL)
                                     : ::write(fd_, rest.data(), chunk);
  if (written >= 0) {
    rest.remove_prefix(static_cast<std::size_t>(written));
    return Outcome::Progress;
  }
  if (errno == EINTR) return Outcome::Progress;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? Outcome::WouldBlock : Outcome::Broken;
}

bool FdWriter::wait_writable() {
  const SteadyClock::duration now = SteadyClock::now().time_since_epoch();
  const SteadyClock::duration left{deadline_.load(std::memory_order_relaxed) - now.count()};
  if (left <= SteadyClock::duration::zero()) return false;
  pollfd ready{fd_, POLLOUT, 0};
  const auto wait = std::min(std::chrono::ceil<std::chrono::milliseconds>(left), kLook);
  ::poll(&ready, 1, static_cast<int>(wait.count()));
  return true;
}

}  // namespace vipward
