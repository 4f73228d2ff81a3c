#include "lb/event/heartbeat.h"

#include <utility>

namespace vipward {

Heartbeat::Heartbeat(Loop& loop, Duration period, std::function<void()> on_beat)
    : loop_(loop), period_(period), on_beat_(std::move(on_beat)), timer_(loop, [this] { beat(); }) {
  timer_.arm_after(Duration::zero());
}

void Heartbeat::beat() {
  timer_.arm_at(loop_.next_tick(period_));
  on_beat_();
}

}  // namespace vipward
