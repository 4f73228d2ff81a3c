// How late a loop gets to its timers: loop_lag_seconds{loop}. Loop thread; the histogram may be read by any.
#pragma once

#include "lb/event/timer.h"
#include "lb/stats/counter.h"

namespace vipward {

class LoopLag {
 public:
  // Ten samples a second into `histogram`, which must outlive this.
  LoopLag(Loop& loop, Histogram& histogram);

 private:
  void arm();

  Loop& loop_;
  Histogram& histogram_;
  TimePoint due_{};
  Timer timer_;
};

}  // namespace vipward
