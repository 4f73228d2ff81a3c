// How a child's end is told. That the proxy starts is the system tests' matter: it is this binary itself.
#include "lb/guardian/spawn.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/component/guardian/guardian_bench.h"

namespace vipward::test {
namespace {

// Ends as it is told; what spawn_proxy() returns, of a child that is none.
template <class Function>
Child child_that(Function ends) {
  Child child;
  child.pid = fork();
  if (child.pid == 0) ends();
  child.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
  REQUIRE(child.pidfd);
  return child;
}

bool has_ended(const Child& child) {
  pollfd end{.fd = child.pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&end, 1, static_cast<int>(kPatience.count())) == 1;
}

TEST_CASE("how a child ended is said, and it is reaped") {
  const Child exits = child_that([] { _exit(7); });
  REQUIRE(has_ended(exits));
  CHECK(to_string(reap(exits)) == "exit code 7");
  CHECK(kill(exits.pid, 0) != 0);

  const Child stopped = child_that([] {
    for (;;) pause();
  });
  kill(stopped.pid, SIGSTOP);
  kill_child(stopped);
  REQUIRE(has_ended(stopped));
  CHECK(to_string(reap(stopped)) == "killed by signal 9");
}

}  // namespace
}  // namespace vipward::test
