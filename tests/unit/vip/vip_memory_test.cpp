// What goes on across images beside the timers: counters, and who else shows itself.
#include <doctest/doctest.h>

#include "lb/vip/conflict_watch.h"
#include "lb/vip/vip_report.h"
#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

TEST_CASE("counters of earlier images add up, each with its own") {
  VipCounters earlier;
  earlier.transitions = {1, 2, 3, 4};
  earlier.advertisements_sent = 10;
  earlier.rejected.back() = 5;
  earlier.announcements = {6, 7, 8, 9};
  earlier.restored = 1;
  VipCounters now;
  now.transitions = {0, 0, 1, 0};
  now.advertisements_sent = 1;
  now.advertisements_received = 2;
  now.rejected.front() = 3;
  now.announcements = {1, 1, 1, 1};
  now.conflicts = 4;
  now.add(earlier);
  CHECK(now.transitions == std::array<std::uint64_t, 4>{1, 2, 4, 4});
  CHECK(now.advertisements_sent == 11);
  CHECK(now.advertisements_received == 2);
  CHECK(now.rejected.front() == 3);
  CHECK(now.rejected.back() == 5);
  CHECK(now.announcements == std::array<std::uint64_t, 4>{7, 8, 9, 10});
  CHECK(now.restored == 1);
  CHECK(now.conflicts == 4);
}

TEST_CASE("another holder that shows itself is not forgotten, and forgotten in time") {
  ConflictWatch before;
  before.observe(kEpoch, "somebody");
  ConflictWatch after;
  after.go_on(before.memory());
  CHECK(after.is_under_way());
  CHECK(after.last() == "somebody");
  CHECK(after.since() == kEpoch);
  after.expire(kEpoch + ConflictWatch::kMemory);
  CHECK_FALSE(after.is_under_way());
}

}  // namespace
}  // namespace vipward
