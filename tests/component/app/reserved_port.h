// A TCP port that the kernel chose and that nobody else gets while this lives, although nobody listens on it
// yet: for a server that comes and goes, and for a configuration file. Any thread, one at a time.
#pragma once

#include <string>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::test {

class ReservedPort {
 public:
  // `ip` need not be on this host.
  explicit ReservedPort(const std::string& ip = "127.0.0.1");

  const SocketAddress& address() const { return address_; }
  std::string text() const { return address_.to_string(); }
  // A listening socket there; one at a time. Connections wait in its queue.
  Fd listen() const;

 private:
  Fd bound_;
  SocketAddress address_;
};

}  // namespace vipward::test
