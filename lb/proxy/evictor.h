// Closes running sessions whose backend can no longer serve them, at a pace: lb/balance/rules.h says which,
// Pace how many at a time. Asks again at every tick, so a backend that comes back in time keeps the rest.
// Worker thread.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "lb/balance/pace.h"
#include "lb/event/timer.h"
#include "lb/proxy/session_table.h"

namespace vipward {

class Evictor {
 public:
  // All outlive it. `on_tick_end` comes after each batch of closed sessions.
  Evictor(Loop& loop, SessionTable& sessions, std::span<const std::unique_ptr<Service>> services,
          std::function<void()> on_tick_end);

  // A backend's standing changed, or sessions came that others had established.
  void reconsider();

 private:
  // Sessions of one backend that are to be closed.
  struct Doomed {
    EndReason reason = EndReason::BackendDead;
    std::vector<Session*> sessions;
  };
  void tick();
  EvictionOrder order_of(BackendId id, TimePoint now) const;
  std::optional<TimePoint> next_deadline(TimePoint now) const;

  Loop& loop_;
  SessionTable& sessions_;
  std::span<const std::unique_ptr<Service>> services_;
  std::function<void()> on_tick_end_;
  std::map<BackendId, Pace> paces_;  // of backends that are losing sessions now
  bool under_way_ = false;           // the next tick is at most kPaceTick away
  Timer timer_;
};

}  // namespace vipward
