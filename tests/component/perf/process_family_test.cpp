// What /proc tells of a process and its children.
#include "perf/contenders/process_family.h"

#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

#include "lb/net/fd.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;

TEST_CASE("what is watched is counted for each epoll descriptor") {
  const Fd busy(epoll_create1(EPOLL_CLOEXEC));
  const Fd idle(epoll_create1(EPOLL_CLOEXEC));
  std::vector<Fd> pipes;
  for (int i = 0; i < 3; ++i) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    for (const int end : ends) pipes.emplace_back(end);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    REQUIRE(epoll_ctl(busy.get(), EPOLL_CTL_ADD, ends[0], &event) == 0);
  }
  const auto watched = watched_descriptors(getpid());
  CHECK(watched.at({.process = getpid(), .descriptor = busy.get()}) == 3);
  CHECK(watched.at({.process = getpid(), .descriptor = idle.get()}) == 0);
  CHECK_FALSE(watched.contains({.process = getpid(), .descriptor = pipes[0].get()}));
}

TEST_CASE("only the lines of targets count") {
  CHECK(count_watched("") == 0);
  CHECK(count_watched("pos:\t0\nflags:\t02000002\nmnt_id:\t15\n"
                      "tfd:        7 events:       1a data:                7 pos:0\n"
                      "tfd:        9 events:       1a data:                9 pos:0\n") == 2);
}

TEST_CASE("a family is the process with its children, and theirs") {
  const Footprint alone = footprint_of(getpid());
  test::Process child({"sh", "-c", "sleep 60 & wait"});
  const auto is_there = [&] { return footprint_of(getpid()).processes == alone.processes + 2; };
  CHECK(test::wait_until(is_there, test::Millis{10'000}));
  CHECK(footprint_of(child.pid()).processes == 2);
}

TEST_CASE("what a child's child costs is in the family's time") {
  // The shell itself only waits.
  test::Process child({"sh", "-c", "timeout 20 sh -c 'while :; do :; done' & wait"});
  CHECK(test::wait_until([&] { return family_cpu_time(child.pid()) > 200ms; }, test::Millis{20'000}));
}

TEST_CASE("what may not be seen is not taken for nothing") {
  if (geteuid() != 0) {
    MESSAGE("needs root, to be another user");
    return;
  }
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (setresuid(kNobody, kNobody, kNobody) != 0) _exit(2);
    try {
      footprint_of(getppid());
    } catch (const std::system_error& error) {
      _exit(error.code().value() == EACCES ? 0 : 3);
    }
    _exit(1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("of a process that has gone nothing is told") {
  test::Process child({"true"});
  REQUIRE(child.wait(test::Millis{10'000}) == 0);
  CHECK(watched_descriptors(child.pid()).empty());
  CHECK(family_cpu_time(child.pid()).count() == 0);
}

}  // namespace
}  // namespace vipward::perf
