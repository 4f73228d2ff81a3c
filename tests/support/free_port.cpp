#include "tests/support/free_port.h"

#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <system_error>

#include "lb/net/socket.h"

namespace vipward::test {

SocketAddress free_port() {
  constexpr unsigned kFirst = 20'000;
  constexpr unsigned kCount = 12'000;
  // Processes begin at different places.
  static std::atomic<unsigned> next{static_cast<unsigned>(getpid()) * 61};
  for (unsigned i = 0; i < kCount; ++i) {
    const SocketAddress address(*IpAddress::parse("127.0.0.1"),
                                static_cast<std::uint16_t>(kFirst + next++ % kCount));
    try {
      const Fd probe = listen_tcp(address);
      return address;
    } catch (const std::system_error&) {
      continue;  // somebody has it
    }
  }
  throw std::runtime_error("no port is free");
}

}  // namespace vipward::test
