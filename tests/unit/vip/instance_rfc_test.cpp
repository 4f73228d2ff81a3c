// RFC 9568 6.4, row by row. The rows speak of Preempt_Mode: failback immediately is true, never is false.
#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

InstanceSettings rfc(Failback failback) {
  InstanceSettings result = settings();
  result.skew = SkewRule::Rfc;
  result.failback = failback;
  return result;
}

// Multiples of 100/256 ms.
constexpr Duration skew(int priority, Duration interval = 100ms) {
  return interval * (256 - priority) / 256;
}

// Down interval of priority 100 and the tie-break of the lower address at start.
const Duration kStartDown = 300ms + skew(100) + 25ms;

TEST_CASE("Init, startup, priority 255: advertises, announces, active") {
  InstanceSettings owner = rfc(Failback::Never);
  owner.priority = kOwnerPriority;
  Driver driver(owner);
  CHECK(driver.start() == "init>active startup advertise announce");
  CHECK(driver.deadline() == 100ms);
}

TEST_CASE("Init, startup, priority below 255: backup, timer from the own interval") {
  Driver driver(rfc(Failback::Never));
  CHECK(driver.start() == "init>backup startup");
  CHECK(driver.instance.learnt_interval() == 100ms);
  CHECK(driver.deadline() == kStartDown);
}

TEST_CASE("Backup, shutdown: init, nothing is sent, no timer") {
  Driver driver(rfc(Failback::Never));
  driver.start();
  CHECK(words(driver.instance.shut_down(kEpoch + 10ms)) == "backup>init shutdown");
  CHECK_FALSE(driver.instance.next_deadline().has_value());
}

TEST_CASE("Backup, timer fires: advertises, announces, active") {
  Driver driver(rfc(Failback::Never));
  driver.start();
  CHECK(driver.time(kStartDown - 1ns) == "-");
  CHECK(driver.time(kStartDown) == "backup>active down_timer advertise announce");
  CHECK(driver.deadline() == kStartDown + 100ms);
}

TEST_CASE("Backup, priority 0 heard: the timer is the skew") {
  Driver driver(rfc(Failback::Never));
  driver.start();
  driver.hear(10ms, 150);
  CHECK(driver.hear(50ms, 0) == "-");
  CHECK(driver.deadline() == 50ms + skew(100));
  CHECK(driver.run(50ms + skew(100)) ==
        std::vector<std::string>{"backup>active priority_zero advertise announce"});
}

TEST_CASE("Backup, priority 0 of the active one heard after another one's last word: the timer is the skew") {
  InstanceSettings given = rfc(Failback::Never);
  given.peers = {kPeer, kLowPeer};
  Driver driver(given);
  driver.start();
  driver.hear(10ms, 150);
  CHECK(driver.hear(20ms, kReluctantPriority, kLowPeer) == "-");
  CHECK(driver.instance.last_heard()->source == kPeer);
  // What it would have done to the timers, it does not do after a reload either.
  const InstanceMemory memory = driver.instance.memory();
  driver.instance.resume(TimePoint{} + 30ms);
  CHECK(driver.instance.memory() == memory);
  CHECK(driver.hear(50ms, 0) == "-");
  CHECK(driver.deadline() == 50ms + skew(100));

  // Who says it when the other one has missed an advertisement, or has let go, holds the addresses.
  driver.hear(60ms, 150);
  driver.hear(160ms, kReluctantPriority, kLowPeer);
  CHECK(driver.instance.last_heard()->source == kLowPeer);
  driver.hear(170ms, 150);
  driver.hear(180ms, 0);
  driver.hear(190ms, kReluctantPriority, kLowPeer);
  CHECK(driver.instance.last_heard()->source == kLowPeer);
}

TEST_CASE("Backup, priority not lower heard: its interval is learnt, the timer set from it") {
  for (const Failback failback : {Failback::Never, Failback::Immediately}) {
    for (const std::uint8_t priority : {std::uint8_t{100}, std::uint8_t{150}}) {
      Driver driver(rfc(failback));
      driver.start();
      CHECK(driver.hear(200ms, priority, kPeer, 1s) == "-");
      CHECK(driver.instance.learnt_interval() == 1s);
      CHECK(driver.deadline() == 200ms + 3s + skew(100, 1s));
    }
  }
}

TEST_CASE("Backup, lower priority heard, Preempt_Mode false: the timer is set anew") {
  Driver driver(rfc(Failback::Never));
  driver.start();
  CHECK(driver.hear(200ms, 50, kPeer, 1s) == "-");
  CHECK(driver.instance.learnt_interval() == 1s);
  CHECK(driver.deadline() == 200ms + 3s + skew(100, 1s));
}

TEST_CASE("Backup, lower priority heard, Preempt_Mode true: discarded, preempts after what is left") {
  Driver driver(rfc(Failback::Immediately));
  driver.start();
  CHECK(driver.hear(200ms, 50, kPeer, 1s) == "-");
  CHECK(driver.hear(300ms, 50, kPeer, 1s) == "-");
  CHECK(driver.instance.learnt_interval() == 100ms);
  CHECK(driver.deadline() == kStartDown);
  CHECK(driver.time(kStartDown) == "backup>active failback advertise announce");
}

TEST_CASE("Active, shutdown: priority 0, init") {
  Driver driver = active_driver(rfc(Failback::Never));
  CHECK(words(driver.instance.shut_down(kEpoch + kStartDown + 1ms)) == "active>init shutdown release");
  CHECK_FALSE(driver.instance.next_deadline().has_value());
}

TEST_CASE("Active, advertisement timer: advertises, again after an interval") {
  Driver driver = active_driver(rfc(Failback::Never));
  CHECK(driver.time(kStartDown + 100ms - 1ns) == "-");
  CHECK(driver.time(kStartDown + 100ms) == "advertise");
  CHECK(driver.run(kStartDown + 400ms) == std::vector<std::string>{"advertise", "advertise", "advertise"});
}

TEST_CASE("Active, priority 0 heard: advertises at once, the timer begins anew") {
  Driver driver = active_driver(rfc(Failback::Never));
  CHECK(driver.hear(kStartDown + 50ms, 0) == "advertise");
  CHECK(driver.deadline() == kStartDown + 150ms);
}

TEST_CASE("Active, higher priority heard: backup, its interval is learnt, the timer set from it") {
  Driver driver = active_driver(rfc(Failback::Never));
  CHECK(driver.hear(kStartDown + 50ms, 101, kLowPeer, 1s) == "active>backup higher_priority tell_winner");
  CHECK(driver.instance.learnt_interval() == 1s);
  CHECK(driver.deadline() == kStartDown + 50ms + 3s + skew(100, 1s));
}

TEST_CASE("Active, equal priority from a higher address heard: backup") {
  Driver driver = active_driver(rfc(Failback::Never));
  CHECK(driver.hear(kStartDown + 50ms, 100, kPeer) == "active>backup higher_priority tell_winner");
  // As unsigned numbers in network order, not as text: .10 is higher than .9.
  InstanceSettings nine = rfc(Failback::Never);
  nine.own = ip("10.0.0.9");
  Driver other = active_driver(nine);
  CHECK(other.hear(kStartDown + 50ms, 100, ip("10.0.0.10")) == "active>backup higher_priority tell_winner");
}

TEST_CASE("Active, lower priority, or equal from a lower address, heard: stays, advertises at once") {
  for (const std::uint8_t priority : {std::uint8_t{99}, std::uint8_t{100}}) {
    Driver driver = active_driver(rfc(Failback::Never));
    CHECK(driver.hear(kStartDown + 50ms, priority, kLowPeer) == "advertise announce");
    CHECK(driver.state() == VipState::Active);
    CHECK(driver.instance.learnt_interval() == 100ms);
    CHECK(driver.instance.next_deadline() == kEpoch + kStartDown + 150ms);
  }
}

}  // namespace
}  // namespace vipward
