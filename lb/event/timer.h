// A one-shot timer of a loop, armed again as often as needed. Loop thread only; the callback may destroy the
// timer.
#pragma once

#include <functional>

#include "lb/event/handle.h"
#include "lb/event/loop.h"

namespace vipward {

class Timer {
 public:
  Timer(Loop& loop, std::function<void()> on_fire);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Fires once, not before `deadline` (a past one: in the next turn); replaces what was armed. Millisecond
  // grain.
  // Returns when it is due.
  TimePoint arm_at(TimePoint deadline);
  TimePoint arm_after(Duration delay);
  void cancel();

 private:
  Loop& loop_;
  // On the heap: a callback that destroys the timer must not destroy itself while it runs.
  std::shared_ptr<std::function<void()>> on_fire_;  // owners: the timer and the call under way
  Handle<uv_timer_t> handle_;
};

}  // namespace vipward
