#include "lb/proxy/session_deadlines.h"

#include <utility>

namespace vipward {

SessionDeadlines::SessionDeadlines(Loop& loop, std::function<void(DeadlineQueue::Entry&)> on_due,
                                   std::function<void()> on_batch_end)
    : loop_(loop),
      on_due_(std::move(on_due)),
      on_batch_end_(std::move(on_batch_end)),
      timer_(loop, [this] { fire(); }) {}

void SessionDeadlines::arm(DeadlineQueue::Entry& entry, TimePoint deadline) {
  queue_.arm(entry, deadline);
  arm_timer();
}

void SessionDeadlines::fire() {
  armed_for_.reset();
  const TimePoint now = loop_.now();
  while (DeadlineQueue::Entry* due = queue_.pop_due(now)) on_due_(*due);
  on_batch_end_();
  arm_timer();
}

void SessionDeadlines::arm_timer() {
  const auto next = queue_.next_deadline();
  // A timer that fires too early finds nothing due and is armed again: cheaper than moving it at each cancel.
  if (!next || (armed_for_ && *armed_for_ <= *next)) return;
  armed_for_ = next;
  timer_.arm_at(*next);
}

}  // namespace vipward
