#include "health/schedule.h"

#include <algorithm>

namespace vipward {

void CheckSchedule::continue_from(TimePoint now, double chance) {
  due_ = now + std::chrono::duration_cast<Duration>(timing_.interval * chance);
}

void CheckSchedule::on_started() {
  due_.reset();
}

void CheckSchedule::on_ended(TimePoint now, Pace pace, double chance) {
  const Duration interval =
      pace == Pace::Fast ? std::min(timing_.fast_interval, timing_.interval) : timing_.interval;
  const double factor = 1 + timing_.jitter * (2 * chance - 1);
  due_ = now + std::chrono::duration_cast<Duration>(interval * factor);
}

void CheckSchedule::on_connect_refused(TimePoint now) {
  if (!due_) return;
  const TimePoint allowed = last_urgent_ ? std::max(now, *last_urgent_ + timing_.fast_interval) : now;
  if (*due_ <= allowed) return;
  due_ = allowed;
  last_urgent_ = allowed;
}

}  // namespace vipward
