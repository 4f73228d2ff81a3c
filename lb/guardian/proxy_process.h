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
  static std::unique_ptr<ProxyProcess> start(Loop& loop, std::uint64_t number,
                                             const std::optional<Account>& account, Handlers handlers,
                                             std::string& problem);

  std::uint64_t number() const { return number_; }
  pid_t pid() const { return child_.pid; }
  int vitals_fd() const { return vitals_.fd(); }

  // A proxy that does not read its channel is unfit.
  void send(channel::ToProxy message);
  // SIGKILL; the kernel then resets its clients. on_ended follows.
  void kill();
  // From Ready on, every StallJudge::kEvery: what stalled ("the control loop", "worker 2"), if anything did.
  std::optional<std::string> find_stall(TimePoint now);

 private:
  ProxyProcess(Loop& loop, std::uint64_t number, ProxyChild child, Fd channel, channel::VitalsPage vitals,
               Handlers handlers);
  void on_child_ended();
  void hear(channel::ToGuardian message);
  void doubt(const char* why);
  void be_unfit(const std::string& why);

  Loop& loop_;
  std::uint64_t number_;
  Handlers handlers_;
  ProxyChild child_;
  channel::VitalsPage vitals_;
  StallJudge judge_;
  bool judging_ = false;
  bool unfit_ = false;
  bool ended_ = false;
  bool start_known_ = false;  // it has said how its start went
  unsigned messages_ = 0;     // since counted_since_
  TimePoint counted_since_{};
  Timer doubt_;
  std::string doubted_for_;  // why it will be unfit unless it ends first
  channel::GuardianEnd channel_;
  Poll child_end_;
};

}  // namespace vipward
