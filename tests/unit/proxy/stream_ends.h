// What the tests of relays and pipes do with the ends of connections: say, hear, and see what epoll would
// tell. One thread.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "lb/net/socket.h"

namespace vipward::test {

// A connection over loopback with both ends in the test's hands, as splice(2) is about TCP: errors, urgent
// bytes. Its buffers have a fixed size, so that what is sent and what is there do not depend on how the
// kernel tunes them.
struct TcpPair {
  Fd ours;
  Fd theirs;
  // More than net.core.wmem_max and rmem_max only root gets.
  explicit TcpPair(int buffer_bytes = 200 * 1024) {
    const Fd listener = listen_tcp(*SocketAddress::parse("127.0.0.1:0"));
    ours = open_tcp(AF_INET);
    // Before there is a connection, whose window scale they decide; accepted sockets inherit the listener's.
    for (const int fd : {listener.get(), ours.get()}) {
      for (const auto& [forced, option] : {std::pair{SO_SNDBUFFORCE, SO_SNDBUF}, {SO_RCVBUFFORCE, SO_RCVBUF}})
        if (setsockopt(fd, SOL_SOCKET, forced, &buffer_bytes, sizeof buffer_bytes) != 0)
          setsockopt(fd, SOL_SOCKET, option, &buffer_bytes, sizeof buffer_bytes);
    }
    const int error = start_connect(ours.get(), SocketAddress::local_of(listener.get()));
    REQUIRE((error == 0 || error == EINPROGRESS));
    SocketAddress peer;
    // The listener has SO_LINGER 0, and so have those that it accepts.
    for (int i = 0; i < 1000 && !theirs; ++i) {
      theirs = accept_from(listener.get(), peer);
      if (!theirs) usleep(1000);
    }
    REQUIRE(theirs);
  }
};

inline std::string text(std::size_t size) {
  std::string result(size, '\0');
  for (std::size_t i = 0; i < size; ++i) result[i] = static_cast<char>('a' + (i * 31 + i / 251) % 26);
  return result;
}

// As much as the socket takes of `data`, from its front.
inline std::size_t write_some(int fd, std::string_view data) {
  std::size_t written = 0;
  while (written < data.size()) {
    const ssize_t n = send(fd, data.data() + written, data.size() - written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n <= 0) break;
    written += static_cast<std::size_t>(n);
  }
  return written;
}

// Everything that is there now; `ended` is set at the end of the stream.
inline std::string read_all(int fd, bool* ended = nullptr) {
  std::string result;
  std::string buffer(64 * 1024, '\0');
  for (;;) {
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n > 0) {
      result.append(buffer, 0, static_cast<std::size_t>(n));
      continue;
    }
    if (n == 0 && ended != nullptr) *ended = true;
    return result;
  }
}

// Whether epoll would tell of more than bytes: of an end, an error, an urgent byte (Relay::expect_end()).
inline bool is_ending(int fd) {
  pollfd asked{.fd = fd, .events = POLLIN | POLLPRI | POLLRDHUP, .revents = 0};
  REQUIRE(poll(&asked, 1, 0) >= 0);
  return (asked.revents & (POLLPRI | POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace vipward::test
