// failback: who takes the addresses from a living holder, and when.
#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

InstanceSettings failing_back(Failback failback, Duration delay = {}) {
  InstanceSettings result = settings();
  result.failback = failback;
  result.failback_delay = delay;
  return result;
}

// Hears `priority` each 100 ms in [from, until) and runs the timer; what was to be done.
std::vector<std::string> hear_for(Driver& driver, Duration from, Duration until, std::uint8_t priority) {
  std::vector<std::string> done;
  for (Duration at = from; at < until && driver.state() != VipState::Active; at += 100ms) {
    driver.hear(at, priority);
    for (const std::string& one : driver.run(at + 99ms)) done.push_back(one);
  }
  return done;
}

TEST_CASE("never: a lower priority stays active for as long as it is heard") {
  Driver driver(failing_back(Failback::Never));
  driver.start();
  CHECK(hear_for(driver, 50ms, 60s, 50).empty());
}

TEST_CASE("immediately: a lower priority is followed by us after a down interval") {
  Driver driver(failing_back(Failback::Immediately));
  driver.start();
  CHECK(hear_for(driver, 50ms, 10s, 50).front() == "backup>active failback advertise announce");
}

TEST_CASE("immediately: not before startup_delay is over") {
  InstanceSettings given = failing_back(Failback::Immediately);
  given.startup_delay = 5s;
  Driver driver(given);
  driver.start();
  CHECK(hear_for(driver, 50ms, 4950ms, 50).empty());
  CHECK(hear_for(driver, 4950ms, 6s, 50).front() == "backup>active failback advertise announce");
}

TEST_CASE("an equal priority never preempts") {
  for (const Failback failback : {Failback::Never, Failback::Immediately, Failback::After}) {
    Driver driver(failing_back(failback));
    driver.start();
    CHECK(hear_for(driver, 50ms, 60s, 100).empty());
  }
}

TEST_CASE("after: a lower priority is followed by us once it has been heard for the delay") {
  Driver driver(failing_back(Failback::After, 10s));
  driver.start();
  CHECK(hear_for(driver, 50ms, 10s, 50).empty());
  CHECK(driver.instance.next_deadline() == kEpoch + 10s + 50ms);
  CHECK(driver.run(10s + 50ms) == std::vector<std::string>{"backup>active failback advertise announce"});
}

TEST_CASE("after: the delay begins anew once an equal priority was heard") {
  Driver driver(failing_back(Failback::After, 2s));
  driver.start();
  hear_for(driver, 50ms, 1s, 50);
  driver.hear(1050ms, 100);
  CHECK(hear_for(driver, 1150ms, 3150ms, 50).empty());
  CHECK(hear_for(driver, 3150ms, 3250ms, 50).front() == "backup>active failback advertise announce");
}

TEST_CASE("after: the delay begins anew with the candidacy") {
  Driver driver(failing_back(Failback::After, 2s));
  driver.start();
  hear_for(driver, 50ms, 1050ms, 50);
  driver.candidacy(1050ms, Candidacy::None);
  hear_for(driver, 1060ms, 1400ms, 50);
  driver.candidacy(1400ms, Candidacy::Full);
  CHECK(hear_for(driver, 1450ms, 3450ms, 50).empty());
  CHECK(hear_for(driver, 3450ms, 3550ms, 50).front() == "backup>active failback advertise announce");
}

TEST_CASE("after: a lower priority that falls silent is followed after a down interval, not the delay") {
  Driver driver(failing_back(Failback::After, 10s));
  driver.start();
  driver.hear(100ms, 50);
  CHECK(driver.deadline() == 425ms);
  CHECK(driver.run(425ms) == std::vector<std::string>{"backup>active down_timer advertise announce"});
}

TEST_CASE("a fault that goes while a lower priority is active: its holder keeps it, or failback decides") {
  for (const Failback failback : {Failback::Never, Failback::Immediately}) {
    Driver driver(failing_back(failback), Candidacy::None);
    driver.start();
    hear_for(driver, 50ms, 10s, 50);
    CHECK(driver.candidacy(10s, Candidacy::Full) == "fault>backup fault_gone");
    const auto done = hear_for(driver, 10050ms, 20s, 50);
    if (failback == Failback::Never) CHECK(done.empty());
    if (failback == Failback::Immediately) CHECK(done.front() == "backup>active failback advertise announce");
  }
}

TEST_CASE("a reluctant holder is relieved by a full candidate, whatever failback says") {
  for (const Failback failback : {Failback::Never, Failback::Immediately, Failback::After}) {
    Driver driver(failing_back(failback, 1h));
    driver.start();
    CHECK(hear_for(driver, 50ms, 10s, 100).empty());
    const auto done = hear_for(driver, 10050ms, 11s, kReluctantPriority);
    REQUIRE(done.size() == 1);
    CHECK(done.front() == "backup>active failback advertise announce");
  }
}

TEST_CASE("with our own priority the reluctant one a holder of the same is an equal") {
  InstanceSettings given = failing_back(Failback::Immediately);
  given.priority = kReluctantPriority;
  Driver driver(given);
  driver.start();
  CHECK(hear_for(driver, 50ms, 10s, kReluctantPriority).empty());
}

}  // namespace
}  // namespace vipward
