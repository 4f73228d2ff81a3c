#include "health/schedule.h"

#include <doctest/doctest.h>

namespace vipward {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{seconds(100)};
constexpr double kMiddle = 0.5;  // the chance that means no jitter
constexpr CheckSchedule::Timing kTiming{
    .interval = seconds(1), .fast_interval = milliseconds(250), .jitter = 0.1};

using Pace = CheckSchedule::Pace;

CheckSchedule after_one_check(TimePoint end) {
  CheckSchedule schedule(kTiming, kStart);
  schedule.on_started();
  schedule.on_ended(end, Pace::Normal, kMiddle);
  return schedule;
}

}  // namespace

TEST_CASE("the first check is due at the start") {
  CHECK(CheckSchedule(kTiming, kStart).next_deadline() == kStart);
}

TEST_CASE("nothing is due while a check runs") {
  CheckSchedule schedule(kTiming, kStart);
  schedule.on_started();
  CHECK_FALSE(schedule.next_deadline());
  schedule.on_connect_refused(kStart + seconds(1));
  CHECK_FALSE(schedule.next_deadline());
}

TEST_CASE("the next check is due an interval after the last one has ended, however long it took") {
  CHECK(after_one_check(kStart + seconds(7)).next_deadline() == kStart + seconds(8));
}

TEST_CASE("the fast pace takes the fast interval") {
  CheckSchedule schedule(kTiming, kStart);
  schedule.on_started();
  schedule.on_ended(kStart, Pace::Fast, kMiddle);
  CHECK(schedule.next_deadline() == kStart + milliseconds(250));
}

TEST_CASE("the fast pace is never slower than the normal one") {
  CheckSchedule schedule({.interval = milliseconds(100), .fast_interval = milliseconds(250)}, kStart);
  schedule.on_started();
  schedule.on_ended(kStart, Pace::Fast, kMiddle);
  CHECK(schedule.next_deadline() == kStart + milliseconds(100));
}

TEST_CASE("jitter moves the next check by its share both ways") {
  CheckSchedule schedule(kTiming, kStart);
  schedule.on_ended(kStart, Pace::Normal, 0);
  CHECK(schedule.next_deadline() == kStart + milliseconds(900));
  schedule.on_ended(kStart, Pace::Normal, 0.75);
  CHECK(schedule.next_deadline() == kStart + milliseconds(1050));
}

TEST_CASE("a refused connect makes a check due at once") {
  CheckSchedule schedule = after_one_check(kStart);
  schedule.on_connect_refused(kStart + milliseconds(10));
  CHECK(schedule.next_deadline() == kStart + milliseconds(10));
}

TEST_CASE("a storm of refused connects makes one check per fast interval") {
  CheckSchedule schedule = after_one_check(kStart);
  int checks = 0;
  for (TimePoint now = kStart; now < kStart + seconds(1); now += milliseconds(1)) {
    schedule.on_connect_refused(now);
    if (*schedule.next_deadline() > now) continue;
    ++checks;
    schedule.on_started();
    schedule.on_ended(now, Pace::Normal, kMiddle);
  }
  CHECK(checks == 4);
}

TEST_CASE("a second refused connect soon after waits for the rest of the fast interval") {
  CheckSchedule schedule = after_one_check(kStart);
  schedule.on_connect_refused(kStart);
  schedule.on_started();
  schedule.on_ended(kStart, Pace::Normal, kMiddle);
  schedule.on_connect_refused(kStart + milliseconds(100));
  CHECK(schedule.next_deadline() == kStart + milliseconds(250));
}

TEST_CASE("a refused connect never delays a check that is due sooner") {
  CheckSchedule schedule = after_one_check(kStart);
  schedule.on_connect_refused(kStart);
  schedule.on_started();
  schedule.on_ended(kStart, Pace::Fast, 0);
  schedule.on_connect_refused(kStart + milliseconds(1));
  CHECK(schedule.next_deadline() == kStart + milliseconds(225));
}

}  // namespace vipward
