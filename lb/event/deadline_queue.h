// Deadlines of many owners behind one timer: an intrusive binary heap, no allocation per deadline, none for
// owners without one. Pure: `now` is passed in. Owner: a worker; one thread.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "lb/event/time.h"

namespace vipward {

class DeadlineQueue {
 public:
  // What an owner embeds. It must leave the queue (cancel) before it goes.
  class Entry {
   public:
    bool is_armed() const { return position_ != kNone; }
    TimePoint deadline() const { return deadline_; }

   private:
    friend class DeadlineQueue;
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
    TimePoint deadline_{};
    std::size_t position_ = kNone;
  };

  // Arms or moves the entry's deadline.
  void arm(Entry& entry, TimePoint deadline);
  void cancel(Entry& entry);
  std::optional<TimePoint> next_deadline() const;
  // Takes out one entry whose deadline is not after `now`; nullptr if there is none.
  Entry* pop_due(TimePoint now);

 private:
  void sift_up(std::size_t position);
  void sift_down(std::size_t position);
  void place(Entry* entry, std::size_t position);

  std::vector<Entry*> heap_;
};

}  // namespace vipward
