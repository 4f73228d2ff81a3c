// One life of the proxy as the guardian has it: the child process, its end of the channel, the page it
// stamps. What comes from it is checked as if it were hostile: a message that is none, a channel that closes
// or is no longer read, make it unfit. Owner: the GuardianApp, which destroys it after on_ended. Main thread;
// no handler may destroy it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lb/channel/endpoint.h"
#include "lb/channel/vitals.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/guardian/spawn.h"
#include "lb/guardian/stall_judge.h"

namespace vipward {

class ProxyProcess {
 public:
  struct Handlers {
    std::function<void(channel::ToGuardian)> on_message;
    std::function<void(const std::string& why)> on_unfit;  // kill() it; once
    std::function<void(const std::string& how)> on_ended;  // reaped: "killed by signal 9"; the last call
  };
  // Spawns it. Nullptr, with a reason in `problem`, if the kernel refuses.
  static std::unique_ptr<ProxyProcess> start(Loop& loop, const Executable& executable, std::uint64_t number,
                                             const std::optional<Account>& account, Handlers handlers,
                                             std::string& problem);

  // A running one, as the guardian's next image gets it: the child stays the process's child, descriptors
  // keep their numbers.
  struct Lent {
    std::uint64_t number = 0;
    pid_t pid = -1;
    int pidfd = -1;
    int channel = -1;
    int vitals = -1;
    bool start_known = false;  // it has said how its start went
  };
  Lent lent() const;
  // Takes the descriptors over. Throws std::system_error if they are not what they should be.
  static std::unique_ptr<ProxyProcess> adopt(Loop& loop, const Lent& lent, Handlers handlers);

  std::uint64_t number() const { return number_; }
  pid_t pid() const { return child_.pid; }
  int vitals_fd() const { return vitals_.fd(); }

  // A proxy that does not read its channel is unfit.
  void send(channel::ToProxy message);
  // Messages that it has not been told yet: the kernel had no room. A re-execution must wait for them.
  bool has_unsaid() const { return channel_.queued() > 0; }
  // SIGKILL; the kernel then resets its clients. on_ended follows.
  void kill();
  // From Ready on, every StallJudge::kEvery: what stalled ("the control loop", "worker 2"), if anything did.
  std::optional<std::string> find_stall(TimePoint now);

 private:
  ProxyProcess(Loop& loop, std::uint64_t number, Child child, Fd channel, channel::VitalsPage vitals,
               Handlers handlers);
  void on_child_ended();
  void hear(channel::ToGuardian message);
  void doubt(const char* why);
  void be_unfit(const std::string& why);

  Loop& loop_;
  std::uint64_t number_;
  Handlers handlers_;
  Child child_;
  channel::VitalsPage vitals_;
  StallJudge judge_;
  bool judging_ = false;
  bool unfit_ = false;
  bool ended_ = false;
  bool prepared_ = false;
  bool start_known_ = false;  // it has said how its start went
  unsigned messages_ = 0;     // since counted_since_
  TimePoint counted_since_{};
  Timer doubt_;
  std::string doubted_for_;  // why it will be unfit unless it ends first
  channel::GuardianEnd channel_;
  Poll child_end_;
};

}  // namespace vipward
