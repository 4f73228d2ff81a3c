#include "perf/reloads/late_sessions.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <stdexcept>

namespace vipward::perf {
namespace {

bool exchanges(const Fd& socket) {
  const char said = 'x';
  char heard = 0;
  return send(socket.get(), &said, 1, MSG_NOSIGNAL) == 1 && recv(socket.get(), &heard, 1, 0) == 1 &&
         heard == said;
}

}  // namespace

void LateSessions::open(unsigned count) {
  constexpr timeval kLimit{.tv_sec = 5, .tv_usec = 0};
  for (unsigned i = 0; i < count; ++i) {
    Fd socket(::socket(target_.ip().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kLimit, sizeof kLimit);
    sockaddr_storage storage{};
    const socklen_t size = target_.to_sockaddr(storage);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 || !exchanges(socket))
      throw std::runtime_error("a new session is not served after a reload");
    sockets_.push_back(std::move(socket));
  }
}

std::size_t LateSessions::count_lost() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(sockets_, [](const Fd& socket) { return !exchanges(socket); }));
}

}  // namespace vipward::perf
