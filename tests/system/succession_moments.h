// Moments of a reload or an upgrade, found among the steps that its processes take: sendmsg(2), recvmsg(2)
// and execveat(2) of the guardian and of both proxies. The tracer's thread asks; any thread may ask whether
// it is over.
#pragma once

#include <sys/syscall.h>

#include <atomic>
#include <cstdint>

#include "tests/support/syscall_steps.h"

namespace vipward::test {

// A moment of a reload, as a step of it.
enum class Moment : std::uint8_t {
  BeforeTheCommit,   // the next proxy hears its first message
  AtTheCommit,       // the guardian is about to execute itself
  AfterTheCommit,    // it says its first word as the next image
  DuringTheHandover  // the next proxy says its first word: it is prepared, or serves
};
class Awaited {
 public:
  explicit Awaited(Moment moment) : moment_(moment) {}
  bool is_it(const SyscallSteps::Step& step) {
    const bool executes = step.who == SyscallSteps::Who::Parent && step.number == SYS_execveat;
    const bool was_executed = executed_;
    executed_ = executed_ || executes;
    return !over_ && (over_ = is_now(step, executes, was_executed));
  }
  bool is_over() const { return over_; }

 private:
  bool is_now(const SyscallSteps::Step& step, bool executes, bool was_executed) const {
    switch (moment_) {
      case Moment::BeforeTheCommit:
        return step.who == SyscallSteps::Who::Younger && step.number == SYS_recvmsg;
      case Moment::AtTheCommit:
        return executes;
      case Moment::AfterTheCommit:
        return was_executed && step.who == SyscallSteps::Who::Parent;
      case Moment::DuringTheHandover:
        break;
    }
    return was_executed && step.who == SyscallSteps::Who::Younger && step.number == SYS_sendmsg;
  }

  Moment moment_;
  bool executed_ = false;
  std::atomic<bool> over_{false};
};

}  // namespace vipward::test
