#include "lb/event/deadline_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>

#include "lb/event/random.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{};

TEST_CASE("an empty queue has no deadline and nothing due") {
  DeadlineQueue queue;
  CHECK_FALSE(queue.next_deadline().has_value());
  CHECK(queue.pop_due(TimePoint::max()) == nullptr);
}

TEST_CASE("a deadline is due at its time, not before, and only once") {
  DeadlineQueue queue;
  DeadlineQueue::Entry entry;
  queue.arm(entry, kStart + 5s);
  CHECK(entry.is_armed());
  CHECK(entry.deadline() == kStart + 5s);
  CHECK(queue.next_deadline() == kStart + 5s);
  CHECK(queue.pop_due(kStart + 5s - 1ns) == nullptr);
  CHECK(queue.pop_due(kStart + 5s) == &entry);
  CHECK_FALSE(entry.is_armed());
  CHECK(queue.pop_due(kStart + 5s) == nullptr);
}

TEST_CASE("arming again moves a deadline both ways") {
  DeadlineQueue queue;
  DeadlineQueue::Entry a, b;
  queue.arm(a, kStart + 5s);
  queue.arm(b, kStart + 6s);
  queue.arm(a, kStart + 7s);
  CHECK(queue.next_deadline() == kStart + 6s);
  queue.arm(a, kStart + 1s);
  CHECK(queue.next_deadline() == kStart + 1s);
  CHECK(queue.pop_due(kStart + 9s) == &a);
  CHECK(queue.pop_due(kStart + 9s) == &b);
}

TEST_CASE("a cancelled deadline never comes, and cancelling twice is harmless") {
  DeadlineQueue queue;
  DeadlineQueue::Entry a, b;
  queue.arm(a, kStart + 1s);
  queue.arm(b, kStart + 2s);
  queue.cancel(a);
  queue.cancel(a);
  CHECK_FALSE(a.is_armed());
  CHECK(queue.pop_due(kStart + 9s) == &b);
  CHECK(queue.pop_due(kStart + 9s) == nullptr);
}

// Random operations against the obvious model.
TEST_CASE("under random operations the queue does what a sorted multimap does") {
  DeadlineQueue queue;
  std::deque<DeadlineQueue::Entry> entries(200);
  std::multimap<TimePoint, DeadlineQueue::Entry*> model;
  const auto forget = [&](const DeadlineQueue::Entry* entry) {
    const auto found =
        std::find_if(model.begin(), model.end(), [&](const auto& pair) { return pair.second == entry; });
    if (found != model.end()) model.erase(found);
  };
  Random random(4711);
  TimePoint now = kStart;
  for (int step = 0; step < 20000; ++step) {
    DeadlineQueue::Entry& entry = entries[random.below(200)];
    const std::uint32_t action = random.below(10);
    if (action < 6) {
      // Few distinct times: many ties.
      const TimePoint deadline = now + std::chrono::milliseconds(random.below(50));
      forget(&entry);
      model.emplace(deadline, &entry);
      queue.arm(entry, deadline);
    } else if (action < 8) {
      forget(&entry);
      queue.cancel(entry);
    } else {
      now += std::chrono::milliseconds(random.below(5));
      while (DeadlineQueue::Entry* due = queue.pop_due(now)) {
        REQUIRE_FALSE(model.empty());
        REQUIRE(due->deadline() == model.begin()->first);
        REQUIRE_FALSE(due->is_armed());
        forget(due);
      }
      REQUIRE((model.empty() || model.begin()->first > now));
    }
    REQUIRE(queue.next_deadline() == (model.empty() ? std::nullopt : std::optional(model.begin()->first)));
    REQUIRE(std::count_if(entries.begin(), entries.end(), [](const auto& e) { return e.is_armed(); }) ==
            static_cast<std::ptrdiff_t>(model.size()));
  }
}

}  // namespace
}  // namespace vipward
