#include "tests/support/notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "tests/support/wait.h"

namespace vipward::test {

NotifySocket::NotifySocket(std::string name)
    : name_(std::move(name)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name_.empty() || name_.size() >= sizeof address.sun_path) throw std::invalid_argument(name_);
  std::memcpy(address.sun_path, name_.data(), name_.size());
  if (name_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
  if (bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
    throw std::system_error(errno, std::generic_category(), name_);
}

std::optional<std::string> NotifySocket::next() const {
  std::array<char, 4096> text;
  const ssize_t size = recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  return std::string(text.data(), static_cast<std::size_t>(size));
}

void NotifySocket::read() {
  while (const auto datagram = next()) {
    std::istringstream stream(*datagram);
    for (std::string line; std::getline(stream, line);) heard_.push_back(line);
  }
}

bool NotifySocket::has_heard(std::string_view line) const {
  return std::ranges::find(heard_, line) != heard_.end();
}

bool NotifySocket::wait_for(std::string_view line, std::chrono::milliseconds limit) {
  return wait_until(
      [&] {
        read();
        return has_heard(line);
      },
      limit);
}

}  // namespace vipward::test
