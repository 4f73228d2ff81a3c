#include "lb/event/deadline_queue.h"

namespace vipward {

void DeadlineQueue::arm(Entry& entry, TimePoint deadline) {
  entry.deadline_ = deadline;
  if (!entry.is_armed()) {
    heap_.push_back(&entry);
    entry.position_ = heap_.size() - 1;
  }
  sift_up(entry.position_);
  sift_down(entry.position_);
}

void DeadlineQueue::cancel(Entry& entry) {
  if (!entry.is_armed()) return;
  const std::size_t hole = entry.position_;
  entry.position_ = Entry::kNone;
  Entry* last = heap_.back();
  heap_.pop_back();
  if (last == &entry) return;
  place(last, hole);
  sift_up(hole);
  sift_down(last->position_);
}

std::optional<TimePoint> DeadlineQueue::next_deadline() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front()->deadline_;
}

DeadlineQueue::Entry* DeadlineQueue::pop_due(TimePoint now) {
  if (heap_.empty() || heap_.front()->deadline_ > now) return nullptr;
  Entry* due = heap_.front();
  cancel(*due);
  return due;
}

void DeadlineQueue::place(Entry* entry, std::size_t position) {
  heap_[position] = entry;
  entry->position_ = position;
}

void DeadlineQueue::sift_up(std::size_t position) {
  Entry* entry = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (heap_[parent]->deadline_ <= entry->deadline_) break;
    place(heap_[parent], position);
    position = parent;
  }
  place(entry, position);
}

void DeadlineQueue::sift_down(std::size_t position) {
  Entry* entry = heap_[position];
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->deadline_ < heap_[child]->deadline_) ++child;
    if (heap_[child]->deadline_ >= entry->deadline_) break;
    place(heap_[child], position);
    position = child;
  }
  place(entry, position);
}

}  // namespace vipward
