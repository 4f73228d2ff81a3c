#include "lb/guardian/service_notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace vipward {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value != nullptr ? value : "";
}

std::optional<long> number(const std::string& text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value > 0 ? std::optional(value)
                                                                               : std::nullopt;
}

}  // namespace

ServiceNotify::ServiceNotify() : path_(environment("NOTIFY_SOCKET")) {
  if (path_.empty() || path_.size() >= sizeof sockaddr_un{}.sun_path) return;
  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // WATCHDOG_PID: set for somebody else where a wrapper starts us.
  const auto watched = number(environment("WATCHDOG_PID"));
  if (watched && *watched != getpid()) return;
  if (const auto microseconds = number(environment("WATCHDOG_USEC"))) {
    watchdog_every_ = std::chrono::microseconds(*microseconds) / 2;
  }
}

void ServiceNotify::send(std::string_view state) const {
  if (!socket_) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (path_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  sendto(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
         size);
}

}  // namespace vipward
