#include "lb/event/loop_lag.h"

#include <algorithm>

namespace vipward {
namespace {
constexpr std::chrono::milliseconds kPeriod{100};
}  // namespace

LoopLag::LoopLag(Loop& loop, Histogram& histogram)
    : loop_(loop), histogram_(histogram), timer_(loop, [this] {
        histogram_.observe(std::max(loop_.now() - due_, Duration::zero()));
        arm();
      }) {
  arm();
}

void LoopLag::arm() {
  due_ = timer_.arm_at(loop_.next_tick(kPeriod));
}

}  // namespace vipward
