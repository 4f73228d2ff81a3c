// A loop that a test turns by hand, and blocking little clients of what runs on it. Test's main thread.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lb/event/loop.h"
#include "lb/event/timer.h"
#include "lb/net/fd.h"

namespace vipward::test {

// What no machine is so slow as to need.
inline constexpr std::chrono::milliseconds kPatience{20'000};

// False: `done` did not come true within the patience. It is asked after at most a millisecond.
inline bool turn_until(Loop& loop, const std::function<bool()>& done) {
  bool late = false;
  Timer limit(loop, [&] {
    late = true;
    loop.stop();
  });
  std::optional<Timer> ask;
  ask.emplace(loop, [&] {
    if (done()) return loop.stop();
    ask->arm_after(std::chrono::milliseconds(1));
  });
  limit.arm_after(kPatience);
  ask->arm_after(Duration::zero());
  loop.run();
  return !late;
}

// A client of a unix socket. Never blocks.
class UnixClient {
 public:
  explicit UnixClient(const std::string& path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }

  void say(std::string_view text) {
    CHECK(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  // Takes what is there; true once the other end has closed.
  bool has_ended() {
    std::array<char, 4096> chunk;
    ssize_t count = 0;
    while ((count = recv(socket_.get(), chunk.data(), chunk.size(), 0)) > 0) {
      received_.append(chunk.data(), static_cast<std::size_t>(count));
    }
    return count == 0 || errno != EAGAIN;
  }
  const std::string& received() const { return received_; }
  void leave() { socket_.reset(); }

 private:
  Fd socket_;
  std::string received_;
};

}  // namespace vipward::test
