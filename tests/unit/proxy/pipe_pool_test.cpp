#include "lb/proxy/pipe_pool.h"

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
  PipePool pipes{spliced, [this](int error) { refusals.push_back(error); }};
};

TEST_CASE("a pool lends so many pipes, makes none before, and none twice") {
  const auto before = open_descriptors();
  Fixture f;
  CHECK(open_descriptors() == before);
  std::vector<LentPipe> lent;
  for (std::size_t i = 0; i < PipePool::kMost; ++i) lent.push_back(f.pipes.lend());
  for (const LentPipe& pipe : lent) CHECK(pipe);
  CHECK_FALSE(f.pipes.lend());
  CHECK(f.refusals.empty());
  CHECK(open_descriptors() == before + static_cast<std::ptrdiff_t>(2 * PipePool::kMost));
  lent.clear();
  for (std::size_t i = 0; i < 100; ++i) CHECK(f.pipes.lend());
  CHECK(open_descriptors() == before + static_cast<std::ptrdiff_t>(2 * PipePool::kMost));
}

TEST_CASE("a pipe takes what has come and gives it on, counted") {
  std::signal(SIGPIPE, SIG_IGN);
  Fixture f;
  TcpPair source;
  TcpPair sink;
  const LentPipe pipe = f.pipes.lend();
  REQUIRE(pipe);
  CHECK(pipe->fill(source.ours.get(), 1000) == -EAGAIN);
  REQUIRE(test::write_some(source.theirs.get(), test::text(3000)) == 3000);
  CHECK(pipe->fill(source.ours.get(), 2000) == 2000);
  CHECK(pipe->pour(sink.ours.get()) == 2000);
  CHECK(pipe->is_empty());
  CHECK(pipe->fill(source.ours.get(), 2000) == 1000);
  CHECK(pipe->pour(sink.ours.get()) == 1000);
  CHECK(test::read_all(sink.theirs.get()) == test::text(3000));
  CHECK(f.spliced.value() == 3000);
  shutdown(source.theirs.get(), SHUT_WR);
  CHECK(pipe->fill(source.ours.get(), 2000) == 0);
}

TEST_CASE("a pipe that comes back with bytes is closed, and another one made when it is needed") {
  Fixture f;
  TcpPair source;
  const auto before = open_descriptors();
  for (std::size_t i = 0; i < 3 * PipePool::kMost; ++i) {
    REQUIRE(test::write_some(source.theirs.get(), "secret") == 6);
    const LentPipe pipe = f.pipes.lend();
    REQUIRE(pipe);
    CHECK(pipe->fill(source.ours.get(), 100) == 6);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("what is in a pipe can be read out, and the pipe goes on") {
  Fixture f;
  TcpPair source;
  const LentPipe pipe = f.pipes.lend();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(test::write_some(source.theirs.get(), "hello") == 5);
    REQUIRE(pipe->fill(source.ours.get(), 100) == 5);
    const std::vector<std::byte> bytes = pipe->read_out();
    CHECK(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == "hello");
    CHECK(pipe->is_empty());
  }
  CHECK(f.spliced.value() == 0);
}

TEST_CASE("without descriptors there is no pipe, said once, until there are some again") {
  Fixture f;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const bool had_one = f.pipes.lend() || f.pipes.lend();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK_FALSE(had_one);
  CHECK(f.refusals == std::vector{EMFILE});
  CHECK(f.pipes.lend());
}

// In a process of its own, as a user without privileges who has taken so many KiB of pipes already: how many
// KiB the pool's pipe has; 0 for none.
int room_beside(int taken_kib) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    constexpr uid_t kUnusedUser = 64'123;  // the kernel counts by user
    if (setgroups(0, nullptr) != 0 || setresuid(kUnusedUser, kUnusedUser, kUnusedUser) != 0) _exit(255);
    for (int left = taken_kib; left > 0; left -= 1024) {
      std::array<int, 2> ends{};
      const int size = std::min(left, 1024) * 1024;
      if (pipe(ends.data()) != 0 || fcntl(ends[0], F_SETPIPE_SZ, size) < 0) _exit(254);
    }
    Fixture f;
    const LentPipe pipe = f.pipes.lend();
    if (!pipe) _exit(f.refusals == std::vector{ENOBUFS} ? 0 : 253);
    _exit(static_cast<int>(pipe->room() / (16 * 1024)));
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
