#include "tests/support/syscall_steps.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Who = SyscallSteps::Who;

// A process that counts and asks for its parent, in turn, for ever; every hundredth time it starts
// `sh -c "kill -0 $$; kill -0 $$"`, which makes two calls of kill(2).
class Counting {
 public:
  Counting()
      : count_(static_cast<std::atomic<unsigned>*>(
            mmap(nullptr, sizeof(unsigned), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    pid_ = fork();
    if (pid_ == 0) count_for_ever();
  }
  ~Counting() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    munmap(count_, sizeof(unsigned));
  }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;

  pid_t pid() const { return pid_; }
  unsigned count() const { return *count_; }

 private:
  [[noreturn]] void count_for_ever() {
    for (;;) {
      ++*count_;
      syscall(SYS_getppid);
      if (*count_ % 100 != 0) continue;
      if (const pid_t child = fork(); child == 0) {
        execl("/bin/sh", "sh", "-c", "kill -0 $$; kill -0 $$", nullptr);
        _exit(1);
      } else {
        waitpid(child, nullptr, 0);
      }
    }
  }

  std::atomic<unsigned>* count_;
  pid_t pid_ = -1;
};

bool runs_untraced(const Counting& process) {
  const unsigned before = process.count();
  return process_status(process.pid(), "TracerPid") == "0" &&
         wait_until([&] { return process.count() > before; }, 5s);
}

TEST_CASE("a process stands at its call while the callback runs, and goes on untraced afterwards") {
  const Counting process;
  std::atomic<unsigned> first{0};
  std::atomic<unsigned> steps{0};
  std::atomic<bool> in_step{true};
  SyscallSteps tracer(
      {.parent = process.pid(), .numbers = {SYS_getppid}, .on_step = [&](const SyscallSteps::Step& step) {
         if (step.nth == 1) first = process.count();
         if (process.count() != first + step.nth - 1 || step.who != Who::Parent) in_step = false;
         steps = step.nth;
       }});
  CHECK(wait_until([&] { return steps >= 20; }, 5s));
  tracer.stop();
  CHECK(in_step);
  CHECK(runs_untraced(process));
}

TEST_CASE("a process that is killed at a call does not make it, and the tracer goes on") {
  const Counting process;
  const Counting other;
  std::atomic<unsigned> count{0};
  SyscallSteps tracer({.parent = other.pid(),
                       .elder = process.pid(),
                       .numbers = {SYS_getppid},
                       .on_step = [&](const SyscallSteps::Step& step) {
                         if (step.who != Who::Elder || step.nth != 3) return;
                         count = process.count();
                         kill(step.pid, SIGKILL);
                       }});
  CHECK(wait_until([&] { return is_process_gone(process.pid()); }, 5s));
  CHECK(process.count() == count);
  tracer.stop();
  CHECK(runs_untraced(other));
}

TEST_CASE("a child is followed from its first moment if it executes what is asked for") {
  const Counting process;
  std::atomic<unsigned> calls{0};
  std::string command = "-c";
  SUBCASE("it does") {}
  SUBCASE("it does something else") {
    command = "proxy";
  }
  SyscallSteps tracer({.parent = process.pid(),
                       .younger_command = command,
                       .numbers = {SYS_kill},
                       .on_step = [&](const SyscallSteps::Step& step) {
                         if (step.who == Who::Younger && step.nth <= 2 && step.pid == step.younger) ++calls;
                       }});
  // Two children at least.
  const unsigned before = process.count();
  CHECK(wait_until([&] { return process.count() > before + 210; }, 20s));
  tracer.stop();
  CHECK((command == "-c" ? calls >= 3 : calls == 0));
  CHECK(runs_untraced(process));
}

TEST_CASE("a process that is not there cannot be traced") {
  CHECK_THROWS_AS(SyscallSteps({.parent = 1 << 30, .numbers = {}, .on_step = {}}), std::system_error);
}

}  // namespace
}  // namespace vipward::test
