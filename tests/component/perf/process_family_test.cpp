// What /proc tells of a process and its children.
#include "perf/contenders/process_family.h"

#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "lb/net/fd.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace vipward::perf {
namespace {

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
  CHECK(family_cpu_time(getpid()) >= family_cpu_time(child.pid()));
}

TEST_CASE("of a process that has gone nothing is told") {
  test::Process child({"true"});
  REQUIRE(child.wait(test::Millis{10'000}) == 0);
  CHECK(watched_descriptors(child.pid()).empty());
  CHECK(family_cpu_time(child.pid()).count() == 0);
}

}  // namespace
}  // namespace vipward::perf
