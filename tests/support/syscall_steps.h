// Stops processes at the system calls that a test names, by ptrace(2), without any hook in them: a family of
// a parent, a child that it has already, and the children that it starts from now on. A process that stands
// before its n-th such call, or after it, waits until the callback has come back. Only main threads are
// followed: that is where those calls are made. Needs root. Owns one thread, the tracer; nothing is left
// stopped or traced when this goes.
#pragma once

#include <sys/ptrace.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace vipward::test {

class SyscallSteps {
 public:
  // Who makes a call, as the test calls it. A newborn has not executed anything yet.
  enum class Who : std::uint8_t { Parent, Elder, Younger, Newborn };
  static constexpr std::size_t kHead = 8;
  struct Step {
    SyscallSteps& steps;  // whose kill() may be called
    Who who = Who::Parent;
    pid_t pid = -1;
    long number = 0;     // SYS_sendmsg
    unsigned nth = 0;    // of this number by this process, from 1
    int fd = -1;         // its first argument
    pid_t younger = -1;  // the last child that was started and is followed; -1: none yet
    pid_t newest = -1;   // the last child that was started, a newborn or not; -1: none yet
    // Of a sendmsg(2), or of a recvmsg(2) that has received something: its first bytes, kHead at most.
    std::vector<std::uint8_t> head{};
    long result = 0;  // in on_return: what it returns, or -errno
  };
  struct Options {
    pid_t parent = -1;
    pid_t elder = -1;  // its child; -1: none
    // The first argument of those of its new children that are followed, once they have executed something:
    // "proxy". Others are let go.
    std::string younger_command{};
    std::vector<long> numbers{};
    // Before the call is made, on the tracer's thread. It may send signals.
    std::function<void(const Step&)> on_step{};
    // The same after it has been made, unless that is empty.
    std::function<void(const Step&)> on_return{};
  };

  // Returns when all are traced; throws if that cannot be had.
  explicit SyscallSteps(Options options);
  ~SyscallSteps();
  SyscallSteps(const SyscallSteps&) = delete;
  SyscallSteps& operator=(const SyscallSteps&) = delete;

  // Lets everybody go, within `kDetachLimit`.
  static constexpr std::chrono::seconds kDetachLimit{2};
  void stop();

  // From within a callback: SIGKILL to a child, which is gone when this returns, with all that it had open,
  // and its parent can hear of it. A signal alone may take effect at any time later. False: it had ended
  // before.
  bool kill(pid_t pid);

 private:
  struct Traced {
    Who who = Who::Parent;
    bool is_followed = false;
    std::map<long, unsigned> calls{};
    std::optional<Step> call{};  // under way
    std::uintptr_t message = 0;  // its second argument
  };

  void run();
  void seize(pid_t pid, Who who);
  bool handle_one();
  void on_end(pid_t pid);
  void on_stop(pid_t pid, int status);
  void on_call(pid_t pid, Traced& traced);
  void on_entry(pid_t pid, Traced& traced, const __ptrace_syscall_info& info);
  void on_exit(pid_t pid, Traced& traced, long result);
  void on_forked(pid_t parent);
  void on_executed(pid_t pid, Traced& traced);
  void go_on(pid_t pid, int signal);
  void let_go(pid_t pid, int signal);
  void let_all_go();

  const Options options_;
  std::map<pid_t, Traced> traced_;  // the tracer's
  pid_t younger_ = -1;
  pid_t newest_ = -1;
  bool parent_ended_ = false;
  std::exception_ptr error_;
  std::atomic<bool> started_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

std::string to_string(SyscallSteps::Who who);

}  // namespace vipward::test
