// What the steps of a reload or an upgrade mean: which message of the channel or of the handover is said or
// heard there, and whose the sessions are by then. Fed from SyscallSteps' callbacks, one tracer at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "tests/support/syscall_steps.h"

namespace vipward::test {

enum class Deed : std::uint8_t {
  Executes,  // is about to
  Says,      // is about to
  HasSaid,   // the kernel has it
  Hears      // has received it, and done nothing about it yet
};

// One thing that somebody does.
struct Act {
  SyscallSteps::Who who = SyscallSteps::Who::Parent;
  Deed deed = Deed::Executes;
  std::string what{};  // "Yours", "a program"
  auto operator<=>(const Act&) const = default;
};
std::string to_string(const Act& act);

// Of the step as on_step (`is_over` false) and on_return (true) see it; nothing: it says or hears nothing.
enum class Side : std::uint8_t { Before, After };
std::optional<Act> act_of(const SyscallSteps::Step& step, Side side);

// Whose each session is by the commit rule (lb/handover/messages.h), from what the old proxy says: the old
// one's until the kernel has taken the Yours of its batch, then the new one's that is linked with it.
class SessionLedger {
 public:
  explicit SessionLedger(unsigned sessions) : sessions_(sessions) {}

  void note(const Act& act, const SyscallSteps::Step& step);
  unsigned given() const;
  unsigned given_to(pid_t successor) const;
  // In a batch whose Yours the old proxy was about to say when it was last heard of.
  unsigned unsure() const { return unsure_ ? batches_.at(*unsure_) : 0; }
  // A message of the batch that no session comes after.
  bool is_of_last_batch(const Act& act, const SyscallSteps::Step& step) const;

 private:
  unsigned sessions_;
  std::map<std::uint32_t, unsigned> batches_;  // sessions of each, of this link
  std::optional<std::uint32_t> unsure_;
  std::map<pid_t, unsigned> given_;
};

}  // namespace vipward::test
