// The two sockets of a relay, with a small buffer in between, and what it takes to have it go on. One thread.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>

#include "lb/net/fd.h"
#include "lb/proxy/relay.h"
#include "tests/unit/proxy/stream_ends.h"

namespace vipward::test {

// Stream sockets with a small buffer: unix ones, so nothing happens behind the test's back.
struct StreamPair {
  Fd ours;
  Fd theirs;
  StreamPair() {
    std::array<int, 2> fds{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
    const int bytes = 8 * 1024;
    for (const int fd : fds) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
};

struct RelayRig {
  static constexpr std::size_t kPlenty = 1 << 30;

  Counter spliced;
  Pipe pipe{spliced, [](int) {}};
  StreamPair source;
  StreamPair sink;
  Relay relay;
  std::array<std::byte, 4096> buffer{};

  Relay::Status advance(std::size_t budget_bytes = kPlenty) { return advance_to(sink, budget_bytes); }
  Relay::Status advance_to(StreamPair& other_sink, std::size_t budget_bytes = kPlenty) {
    if (is_ending(source.ours.get())) relay.expect_end();
    return relay.advance(source.ours.get(), other_sink.ours.get(), {.buffer = buffer, .pipe = pipe},
                         {.copied_bytes = budget_bytes, .spliced_bytes = kPlenty});
  }
};

inline std::string as_text(std::span<const std::byte> bytes) {
  std::string result;
  for (const std::byte byte : bytes) result += static_cast<char>(byte);
  return result;
}

}  // namespace vipward::test
