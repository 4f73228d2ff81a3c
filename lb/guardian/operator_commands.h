// `vipward release` and `vipward resume` as the guardian carries them out. A release is answered when the
// outcome is known: who took over, or that nobody did and this host has taken the address back. Owner: the
// GuardianApp; main thread.
#pragma once

#include <functional>
#include <optional>

#include "lb/event/loop.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/operator_hold.h"
#include "lb/log/log.h"
#include "lb/vip/virtual_router.h"

namespace vipward {

class OperatorCommands {
 public:
  // `router` may be absent: no VIP. `reconsider` is called when is_holding() has changed.
  OperatorCommands(Loop& loop, Log& log, VirtualRouter* router, std::function<void()> reconsider);

  void release(ReleaseRequest request, CommandReply reply);
  void resume(CommandReply reply);
  // vipward stops: a release that is under way is answered, and none begins any more.
  void stop();
  // The router's state may have changed, or time has passed.
  void look();
  // This host is no candidate, by the operator's wish.
  bool is_holding() const { return hold_.is_active(); }
  std::optional<TimePoint> next_deadline() const;

  // For the guardian's next image: what holds, and the reply that is owed, by number.
  struct Lent {
    bool is_holding = false;
    std::optional<TimePoint> holds_until{};
    std::optional<int> pending_reply{};
    TimePoint pending_since{};
  };
  Lent lent() const;
  void resume_from(const Lent& lent);

 private:
  struct Pending {
    CommandReply reply;
    TimePoint since{};
  };
  void end_hold(const char* why);

  Loop& loop_;
  Log& log_;
  VirtualRouter* router_;
  std::function<void()> reconsider_;
  OperatorHold hold_;
  std::optional<Pending> pending_;
  bool stopping_ = false;
};

}  // namespace vipward
