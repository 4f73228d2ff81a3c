#include "tests/component/app/reserved_port.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace vipward::test {
namespace {

// SO_REUSEADDR on both sockets: a bound one that does not listen is in nobody's way (socket(7)).
Fd bound_to(const SocketAddress& address) {
  Fd fd(::socket(address.ip().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  if (!fd || bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
    throw std::system_error(errno, std::generic_category(), address.to_string());
  }
  return fd;
}

}  // namespace

ReservedPort::ReservedPort(const std::string& ip)
    : bound_(bound_to(*SocketAddress::parse(ip + ":0"))), address_(SocketAddress::local_of(bound_.get())) {}

Fd ReservedPort::listen() const {
  Fd fd = bound_to(address_);
  if (::listen(fd.get(), 128) != 0) throw std::system_error(errno, std::generic_category(), text());
  return fd;
}

}  // namespace vipward::test
