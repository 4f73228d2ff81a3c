#include "tests/support/syscall_steps.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
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

TEST_CASE("a call that has been made is told of with what it returns") {
  const Counting process;
  std::atomic<unsigned> steps{0};
  std::atomic<bool> is_right{true};
  SyscallSteps tracer({.parent = process.pid(),
                       .numbers = {SYS_getppid},
                       .on_step = [](const SyscallSteps::Step&) {},
                       .on_return =
                           [&](const SyscallSteps::Step& step) {
                             if (step.result != getpid() || step.nth != steps + 1) is_right = false;
                             steps = step.nth;
                           }});
  CHECK(wait_until([&] { return steps >= 20; }, 5s));
  tracer.stop();
  CHECK(is_right);
  CHECK(runs_untraced(process));
}

TEST_CASE("a child is a newborn until it executes something, and known from then on") {
  const Counting process;
  std::atomic<unsigned> newborns{0};
  std::atomic<bool> is_right{true};
  SyscallSteps tracer({.parent = process.pid(),
                       .younger_command = "-c",
                       .numbers = {SYS_execve},
                       .on_step =
                           [&](const SyscallSteps::Step& step) {
                             if (step.who != Who::Newborn || step.pid == step.younger) is_right = false;
                             ++newborns;
                           },
                       .on_return =
                           [&](const SyscallSteps::Step& step) {
                             if (step.pid != step.younger || step.pid != step.newest) is_right = false;
                           }});
  CHECK(wait_until([&] { return newborns >= 3; }, 20s));
  tracer.stop();
  CHECK(is_right);
  CHECK(runs_untraced(process));
}

TEST_CASE("who is killed from within a callback is gone when that returns, and is killed once") {
  const Counting process;
  const Counting other;
  std::atomic<unsigned> kills{0};
  std::atomic<bool> is_gone{false};
  SyscallSteps tracer({.parent = other.pid(),
                       .elder = process.pid(),
                       .numbers = {SYS_getppid},
                       .on_step = [&](const SyscallSteps::Step& step) {
                         if (step.who != Who::Parent || is_gone) return;
                         for (int i = 0; i < 2; ++i) kills += step.steps.kill(process.pid()) ? 1 : 0;
                         is_gone = is_process_gone(process.pid());
                       }});
  CHECK(wait_until([&] { return is_gone.load(); }, 5s));
  tracer.stop();
  CHECK(kills == 1);
  CHECK(runs_untraced(other));
}

// Says "hello, it" to itself, for ever.
[[noreturn]] void talk_for_ever() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) _exit(1);
  char said[] = "hello, it";
  char heard[64];
  iovec out{said, 9};
  iovec in{heard, sizeof heard};
  for (;;) {
    msghdr header{};
    header.msg_iovlen = 1;
    header.msg_iov = &out;
    sendmsg(ends[0], &header, 0);
    header.msg_iov = &in;
    recvmsg(ends[1], &header, 0);
  }
}

TEST_CASE("a message begins the same when it is sent and when it has been received") {
  const pid_t pid = fork();
  if (pid == 0) talk_for_ever();
  std::atomic<unsigned> sent{0};
  std::atomic<unsigned> received{0};
  std::atomic<bool> is_right{true};
  SyscallSteps tracer({.parent = pid,
                       .numbers = {SYS_sendmsg, SYS_recvmsg},
                       .on_step =
                           [&](const SyscallSteps::Step& step) {
                             const std::string head(step.head.begin(), step.head.end());
                             if (head != (step.number == SYS_sendmsg ? "hello, i" : "")) is_right = false;
                             ++sent;
                           },
                       .on_return =
                           [&](const SyscallSteps::Step& step) {
                             const std::string head(step.head.begin(), step.head.end());
                             if (head != "hello, i" || step.result != 9) is_right = false;
                             ++received;
                           }});
  CHECK(wait_until([&] { return sent >= 20 && received >= 20; }, 5s));
  tracer.stop();
  CHECK(is_right);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

TEST_CASE("a process that is not there cannot be traced") {
  CHECK_THROWS_AS(SyscallSteps({.parent = 1 << 30, .numbers = {}, .on_step = {}}), std::system_error);
}

}  // namespace
}  // namespace vipward::test
