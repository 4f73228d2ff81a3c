// An Instance made from the memory of another one: what it goes on with, and what other settings mean to it.
#include <doctest/doctest.h>

#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

// The driver goes on with an instance of these settings, made from its memory at that moment.
void go_on(Driver& driver, Duration at, const InstanceSettings& given) {
  driver.instance = Instance(given, driver.instance.memory());
  driver.instance.resume(kEpoch + at);
}

InstanceSettings with_priority(std::uint8_t priority) {
  InstanceSettings given = settings();
  given.priority = priority;
  return given;
}

InstanceSettings with_interval(Duration interval) {
  InstanceSettings given = settings();
  given.interval = interval;
  return given;
}

InstanceSettings with_failback(Failback failback, Duration delay = {}) {
  InstanceSettings given = settings();
  given.failback = failback;
  given.failback_delay = delay;
  return given;
}

// Started at 0, hears the peer's priority every 100 ms from 50 ms on, last at `until`.
Driver listening_driver(const InstanceSettings& given, std::uint8_t priority, Duration until) {
  Driver driver(given);
  driver.start();
  for (Duration at = 50ms; at <= until; at += 100ms) CHECK(driver.hear(at, priority) == "-");
  return driver;
}

TEST_CASE("the active one advertises at once, with the new priority, and a new interval later again") {
  Driver driver = active_driver();
  const Duration then = driver.deadline() - 40ms;
  InstanceSettings given = with_interval(30ms);
  given.priority = 120;
  go_on(driver, then, given);
  CHECK(driver.state() == VipState::Active);
  CHECK(driver.deadline() == then);
  CHECK(driver.time(then) == "advertise");
  CHECK(driver.instance.advertised_priority() == 120);
  CHECK(driver.instance.advertised_interval() == 30ms);
  CHECK(driver.deadline() == then + 30ms);
}

TEST_CASE("what came in meanwhile is heard before the active one advertises") {
  Driver driver = active_driver();
  const Duration then = driver.deadline();
  go_on(driver, then, settings());
  CHECK(driver.hear(then, 200) == "active>backup higher_priority tell_winner");
  CHECK(driver.time(then) == "-");
}

TEST_CASE("a last advertisement before a pause names the longer one of both intervals") {
  Driver slow = active_driver(with_interval(1s));
  const Duration then = slow.deadline() - 10ms;
  CHECK(words(slow.instance.advertise_before_pause(kEpoch + then, 200ms)) == "advertise");
  CHECK(slow.instance.advertised_interval() == 1s);
  CHECK(slow.deadline() == then + 1s);

  Driver quick = active_driver(with_interval(10ms));
  const Duration soon = quick.deadline();
  CHECK(words(quick.instance.advertise_before_pause(kEpoch + soon, 200ms)) == "advertise");
  CHECK(quick.instance.advertised_interval() == 200ms);
  // Whoever stays after all goes on as before.
  CHECK(quick.time(soon + 10ms) == "advertise");
  CHECK(quick.instance.advertised_interval() == 10ms);
}

TEST_CASE("who is not active has nothing to say before a pause") {
  Driver driver = listening_driver(settings(), 100, 250ms);
  const InstanceMemory before = driver.instance.memory();
  CHECK(words(driver.instance.advertise_before_pause(kEpoch + 260ms, 200ms)) == "-");
  CHECK(driver.instance.memory() == before);
}

TEST_CASE("an absence is a stall by what the others were told, not by the new interval") {
  Driver driver = active_driver(with_interval(10ms));
  const Duration then = driver.deadline();
  driver.instance.advertise_before_pause(kEpoch + then, 200ms);
  SUBCASE("shorter than they wait") {
    go_on(driver, then + 599ms, with_interval(10ms));
    CHECK(driver.time(then + 599ms) == "advertise");
  }
  SUBCASE("as long as they wait, and the new interval is long") {
    go_on(driver, then + 600ms, with_interval(10s));
    CHECK(driver.time(then + 600ms) == "active>backup stall");
  }
}

TEST_CASE("once it has advertised anew, its own new interval says what a stall is") {
  Driver driver = active_driver();
  const Duration then = driver.deadline();
  REQUIRE(driver.time(then) == "advertise");
  go_on(driver, then + 50ms, with_interval(10ms));
  CHECK(driver.time(then + 50ms) == "advertise");
  CHECK(driver.time(then + 79ms) == "advertise");
  CHECK(driver.time(then + 79ms + 30ms) == "active>backup stall");
}

TEST_CASE("a backup waits on from the last claim, by the interval that the active one named") {
  Driver driver = listening_driver(settings(), 100, 450ms);
  go_on(driver, 500ms, with_interval(1s));
  CHECK(driver.instance.learnt_interval() == 100ms);
  CHECK(driver.deadline() == 450ms + 325ms);
  CHECK(driver.time(driver.deadline()) == "backup>active down_timer advertise announce");
}

TEST_CASE("a backup's skew follows its new priority from the last claim on") {
  InstanceSettings given = with_priority(100);
  given.skew = SkewRule::Rfc;
  Driver driver = listening_driver(given, 200, 450ms);
  CHECK(driver.deadline() == 450ms + 300ms + rfc_skew(SkewRule::Rfc, 100, 100ms));
  given.priority = 190;
  go_on(driver, 500ms, given);
  CHECK(driver.deadline() == 450ms + 300ms + rfc_skew(SkewRule::Rfc, 190, 100ms));
}

TEST_CASE("a timer that no claim has started runs on as it was") {
  Driver driver;
  driver.start();
  const Duration deadline = driver.deadline();
  InstanceSettings given = with_priority(200);
  given.startup_delay = 1h;
  go_on(driver, 100ms, given);
  CHECK(driver.deadline() == deadline);

  Driver released = listening_driver(settings(), 100, 250ms);
  released.instance.set_candidacy(kEpoch + 260ms, Candidacy::LastResort);
  released.hear(270ms, 0);
  const Duration last_resort = released.deadline();
  go_on(released, 280ms, given);
  CHECK(released.deadline() == last_resort);
}

TEST_CASE("who tolerates now what it was about to preempt gives it a whole down interval") {
  // The timer of the start runs on while the peer's advertisements are discarded.
  Driver driver(with_failback(Failback::Immediately));
  driver.start();
  CHECK(driver.hear(50ms, 90, kPeer, 1s) == "-");
  const Duration deadline = driver.deadline();
  CHECK(deadline < 400ms);
  SUBCASE("by a priority that is no longer higher") {
    InstanceSettings given = with_failback(Failback::Immediately);
    given.priority = 80;
    go_on(driver, 100ms, given);
  }
  SUBCASE("by failback: never") {
    go_on(driver, 100ms, with_failback(Failback::Never));
  }
  CHECK(driver.instance.learnt_interval() == 1s);
  CHECK(driver.deadline() == 50ms + 3250ms);
}

TEST_CASE("who still preempts does so when it would have") {
  Driver driver(with_failback(Failback::Immediately));
  driver.start();
  driver.hear(50ms, 90);
  const Duration deadline = driver.deadline();
  InstanceSettings given = with_failback(Failback::Immediately);
  given.priority = 150;
  go_on(driver, 100ms, given);
  CHECK(driver.deadline() == deadline);
}

TEST_CASE("who preempts from now on discards the next claim and lets the timer run out") {
  Driver driver = listening_driver(settings(), 90, 450ms);
  go_on(driver, 500ms, with_failback(Failback::Immediately));
  CHECK(driver.hear(550ms, 90) == "-");
  CHECK(driver.deadline() == 450ms + 325ms);
  CHECK(driver.time(450ms + 325ms) == "backup>active failback advertise announce");
}

TEST_CASE("a changed failback delay counts from when the lower priority became active") {
  Driver driver = listening_driver(with_failback(Failback::After, 10s), 90, 2050ms);
  go_on(driver, 2100ms, with_failback(Failback::After, 2200ms));
  CHECK(driver.deadline() == 50ms + 2200ms);
  CHECK(driver.time(2250ms) == "backup>active failback advertise announce");
}

TEST_CASE("a failback that is under way is forgotten when nothing asks for it any more") {
  Driver driver = listening_driver(with_failback(Failback::After, 500ms), 90, 450ms);
  CHECK(driver.deadline() == 550ms);
  SUBCASE("failback: never") {
    go_on(driver, 460ms, with_failback(Failback::Never));
  }
  SUBCASE("a priority that is not higher than the active one's") {
    InstanceSettings given = with_failback(Failback::After, 500ms);
    given.priority = 90;
    go_on(driver, 460ms, given);
  }
  CHECK(driver.deadline() == 450ms + 325ms);
}

TEST_CASE("what a memory does not hold is not remembered: it is whole") {
  Driver driver = listening_driver(with_failback(Failback::After, 300ms), 90, 250ms);
  driver.hear(280ms, 0);
  const InstanceMemory memory = driver.instance.memory();
  CHECK(Instance(settings(), memory).memory() == memory);
  CHECK(Instance(settings(), InstanceMemory()).memory() == InstanceMemory());
}

}  // namespace
}  // namespace vipward
