#include "lb/event/timer.h"

#include <algorithm>
#include <utility>

namespace vipward {

Timer::Timer(Loop& loop, std::function<void()> on_fire)
    : loop_(loop),
      on_fire_(std::make_shared<std::function<void()>>(std::move(on_fire))),
      handle_(new uv_timer_t) {
  require_uv(uv_timer_init(loop_.raw(), handle_.get()), "uv_timer_init");
  handle_->data = this;
}

TimePoint Timer::arm_at(TimePoint deadline) {
  return arm_after(deadline - loop_.now());
}

TimePoint Timer::arm_after(Duration delay) {
  // libuv counts from the time it cached at the start of the turn, which may be long ago.
  uv_update_time(loop_.raw());
  auto rounded = std::chrono::ceil<std::chrono::milliseconds>(std::max(delay, Duration::zero()));
  // Its clock is cut to milliseconds: without one more the timer could fire up to one too early.
  if (rounded.count() > 0) rounded += std::chrono::milliseconds(1);
  require_uv(uv_timer_start(
                 handle_.get(),
                 [](uv_timer_t* timer) {
                   const auto keep = static_cast<Timer*>(timer->data)->on_fire_;
                   (*keep)();
                 },
                 static_cast<std::uint64_t>(rounded.count()), 0),
             "uv_timer_start");
  return loop_.now() + rounded;
}

void Timer::cancel() {
  uv_timer_stop(handle_.get());
}

}  // namespace vipward
