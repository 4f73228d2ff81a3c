// `vipward reload`, `vipward upgrade` and SIGHUP as the guardian carries them out: one succession at a time,
// why there can be none now, the commit, and the answer of whoever asked. Owner: the GuardianApp; main
// thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lb/event/loop.h"
#include "lb/event/timer.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/drains.h"
#include "lb/guardian/heritage.h"
#include "lb/guardian/proxy_life.h"
#include "lb/guardian/succession.h"
#include "lb/log/log.h"
#include "lb/vip/virtual_router.h"

namespace vipward {

class Successions {
 public:
  // What is now, besides Succession::Present; all of it outlives this. `router` may be absent: no VIP.
  struct Surroundings {
    ProxyLife& life;
    const Drains& drains;
    VirtualRouter* router;
  };
  struct Hooks {
    // As it would be left now; add_to() has been asked.
    std::function<Heritage()> heritage;
    // What the proxies are told of the VIP and the guardian.
    std::function<channel::GuardianStatus()> status;
    // One has failed, before its client hears of it.
    std::function<void()> on_failed;
    // The same, afterwards: none is under way.
    std::function<void()> on_over;
  };
  // The `generation` of `present` is each one's own.
  Successions(const Succession::Present& present, Surroundings around, Hooks hooks);

  void begin(SuccessionKind kind, CommandReply reply);
  // SIGHUP. Whoever sends a signal hears of no refusal: it is for the file as it is now, which a reload under
  // way may have read before, so another one follows.
  void hang_up();
  // A SIGHUP that waits may have its turn.
  void look();
  // The proxy that serves may have ended.
  void on_life_change();
  // vipward stops: the one under way fails, and none begins any more.
  void stop();

  bool is_under_way() const { return succession_ != nullptr; }
  // False from a failure on, until one works; that is the next image's.
  bool last_was_successful() const { return last_was_successful_; }
  // What the one that is prepared changes in what is left. Without one it lacks the successor: the form is
  // the same.
  void add_to(Heritage& left) const;

 private:
  // Nothing: one can begin.
  std::optional<std::string> refusal() const;
  void on_prepared();
  void commit();
  void on_failed(const std::vector<std::string>& problems);

  Succession::Present present_;
  const Surroundings around_;
  const Hooks hooks_;
  CommandReply reply_{Fd()};
  TimePoint asked_at_{};
  std::unique_ptr<Succession> succession_;
  bool last_was_successful_ = true;
  bool stopping_ = false;
  bool hang_up_waits_ = false;
  unsigned commits_put_off_ = 0;
  Timer commit_;
};

}  // namespace vipward
