// Calls back at a fixed period for as long as the loop gets to its timers: who no longer hears it knows that
// the loop is stuck. Loop thread only.
#pragma once

#include <functional>

#include "lb/event/timer.h"

namespace vipward {

class Heartbeat {
 public:
  // The first beat comes when the loop runs.
  Heartbeat(Loop& loop, Duration period, std::function<void()> on_beat);

 private:
  void beat();

  Loop& loop_;
  Duration period_;
  std::function<void()> on_beat_;
  Timer timer_;
};

}  // namespace vipward
