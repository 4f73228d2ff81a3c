#include "lb/proxy/pipe.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <vector>

#include "tests/unit/proxy/tcp_pair.h"

namespace vipward {
namespace {

using test::TcpPair;

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

struct Fixture {
  Counter spliced;
  std::vector<int> refusals;
  Pipe pipe{spliced, [this](int error) { refusals.push_back(error); }};
  std::vector<std::byte> unsent;
};

TEST_CASE("a pipe is opened when it is needed, once, and moves what has come") {
  std::signal(SIGPIPE, SIG_IGN);
  Fixture f;
  TcpPair source;
  TcpPair sink;
  const auto before = open_descriptors();
  const auto move = [&](std::size_t most) {
    return f.pipe.move(source.ours.get(), sink.ours.get(), most, f.unsent);
  };
  CHECK(move(1000).received == 0);
  REQUIRE(test::write_some(source.theirs.get(), test::text(3000)) == 3000);
  CHECK(move(2000).received == 2000);
  const Pipe::Move rest = move(2000);
  CHECK(rest.received == 1000);
  CHECK(rest.sent == 1000);
  CHECK(rest.sink_error == 0);
  CHECK(test::read_all(sink.theirs.get()) == test::text(3000));
  CHECK(f.spliced.value() == 3000);
  CHECK(f.unsent.empty());
  CHECK(open_descriptors() == before + 2);
  shutdown(source.theirs.get(), SHUT_WR);
  CHECK(move(2000).received == 0);
}

TEST_CASE("a sink without room leaves little over, and a sink that failed leaves nothing in the pipe") {
  Fixture f;
  TcpPair source;
  TcpPair sink;
  Pipe::Move move;
  std::uint64_t received = 0;
  for (int i = 0; i < 10'000 && move.sink_error == 0; ++i) {
    test::write_some(source.theirs.get(), test::text(256 * 1024));
    move = f.pipe.move(source.ours.get(), sink.ours.get(), Pipe::kMostBytes, f.unsent);
    if (move.received > 0) received += static_cast<std::uint64_t>(move.received);
  }
  CHECK(move.sink_error == EAGAIN);
  CHECK(f.unsent.size() == static_cast<std::size_t>(move.received) - move.sent);
  CHECK(f.unsent.size() <= 64 * 1024);
  CHECK(f.spliced.value() == received - f.unsent.size());

  sink.theirs.reset();
  test::write_some(source.theirs.get(), test::text(1000));
  move = f.pipe.move(source.ours.get(), sink.ours.get(), Pipe::kMostBytes, f.unsent);
  CHECK((move.sink_error == ECONNRESET || move.sink_error == EPIPE));
  TcpPair another_source;
  TcpPair another_sink;
  REQUIRE(test::write_some(another_source.theirs.get(), "hello") == 5);
  CHECK(f.pipe.move(another_source.ours.get(), another_sink.ours.get(), 1000, f.unsent).sent == 5);
  CHECK(test::read_all(another_sink.theirs.get()) == "hello");
}

TEST_CASE("without descriptors there is no pipe, said once, until there are some again") {
  Fixture f;
  TcpPair source;
  TcpPair sink;
  REQUIRE(test::write_some(source.theirs.get(), "hello") == 5);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  std::size_t sent = 0;
  const auto try_to_move = [&] {
    sent += f.pipe.move(source.ours.get(), sink.ours.get(), 1000, f.unsent).sent;
  };
  for (int i = 0; i < 300; ++i) try_to_move();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(sent == 0);
  CHECK(f.refusals == std::vector{EMFILE});
  for (int i = 0; i < 300; ++i) try_to_move();
  CHECK(sent == 5);
}

// In a process of its own, as a user without privileges who has taken so many KiB of pipes already: how many
// KiB the pool's pipe has; 0 for none.
int room_beside(int taken_kib) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // The kernel counts by user, and other runs of this test may be under way.
    const auto unused_user = static_cast<uid_t>(60'000 + getpid() % 5000);
    if (setgroups(0, nullptr) != 0 || setresuid(unused_user, unused_user, unused_user) != 0) _exit(255);
    for (int left = taken_kib; left > 0; left -= 1024) {
      std::array<int, 2> ends{};
      const int size = std::min(left, 1024) * 1024;
      if (pipe(ends.data()) != 0 || fcntl(ends[0], F_SETPIPE_SZ, size) < 0) _exit(254);
    }
    Fixture f;
    TcpPair sockets;
    f.pipe.move(sockets.ours.get(), sockets.theirs.get(), 1, f.unsent);
    if (f.pipe.room() == 0) _exit(f.refusals == std::vector{ENOBUFS} ? 0 : 253);
    _exit(static_cast<int>(f.pipe.room() / (16 * 1024)));
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status) * 16;
}

TEST_CASE("where the kernel gives a user no more room in pipes they are smaller, and at last none") {
  if (geteuid() != 0) {
    MESSAGE("needs root, to be another user");
    return;
  }
  CHECK(room_beside(0) == 1024);
  CHECK(room_beside(63 * 1024) == 1024);
  CHECK(room_beside(63 * 1024 + 512) == 256);
  CHECK(room_beside(64 * 1024) == 0);
}

}  // namespace
}  // namespace vipward
