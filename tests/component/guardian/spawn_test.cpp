// How a child's end is told. That the proxy starts is the system tests' matter: it is this binary itself.
#include "lb/guardian/spawn.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lb/guardian/executable.h"
#include "tests/component/guardian/guardian_bench.h"
#include "tests/support/temp_dir.h"

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

TEST_CASE("the program that runs is told from another one that has taken its name") {
  const TempDir folder;
  const std::string name = folder.file("program", "#!/bin/false\n");
  const Executable running = Executable::running();
  CHECK(running.is_same_file(Executable::running(running.path()).on_disk()));
  const Executable other = Executable::running(name).on_disk();
  CHECK_FALSE(running.is_same_file(other));
  CHECK(other.is_same_file(Executable::running(name).on_disk()));
  // The same in it, and another file.
  write_file(folder.file("new"), "#!/bin/false\n");
  REQUIRE(rename(folder.file("new").c_str(), name.c_str()) == 0);
  CHECK_FALSE(other.is_same_file(Executable::running(name).on_disk()));
}

}  // namespace
}  // namespace vipward::test
