// The deadlines of a worker's sessions behind one timer of its loop. Worker thread.
#pragma once

#include <functional>
#include <optional>

#include "lb/event/deadline_queue.h"
#include "lb/event/timer.h"

namespace vipward {

class SessionDeadlines {
 public:
  // `on_due` is called once per entry whose deadline has come; the entry is no longer armed.
  SessionDeadlines(Loop& loop, std::function<void(DeadlineQueue::Entry&)> on_due,
                   std::function<void()> on_batch_end);

  void arm(DeadlineQueue::Entry& entry, TimePoint deadline);
  void cancel(DeadlineQueue::Entry& entry) { queue_.cancel(entry); }

 private:
  void fire();
  void arm_timer();

  Loop& loop_;
  std::function<void(DeadlineQueue::Entry&)> on_due_;
  std::function<void()> on_batch_end_;
  DeadlineQueue queue_;
  std::optional<TimePoint> armed_for_;
  Timer timer_;
};

}  // namespace vipward
