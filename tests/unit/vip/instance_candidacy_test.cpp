// Own faults and releases: who may claim, when, and what the others are told.
#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

// When `active_driver()` became active: all times here count from it.
const Duration kTaken = start_down_interval(SkewRule::SinglePeer, 100, 100ms, kOwn, {kPeer});

TEST_CASE("while active a candidacy that is lost or given away is an orderly release") {
  struct Row {
    Candidacy candidacy;
    const char* expected;
  };
  const Row rows[] = {{Candidacy::None, "active>fault own_fault release"},
                      {Candidacy::LastResort, "active>fault own_fault release"},
                      {Candidacy::IfNobodyHeard, "active>backup operator_release release"},
                      {Candidacy::Full, "-"}};
  for (const Row& row : rows) {
    Driver driver = active_driver();
    CHECK(driver.candidacy(kTaken + 50ms, row.candidacy) == row.expected);
  }
}

TEST_CASE("while listening nothing is told, and the state shows the fault") {
  Driver driver;
  driver.start();
  CHECK(driver.candidacy(10ms, Candidacy::IfNobodyHeard) == "-");
  CHECK(driver.candidacy(20ms, Candidacy::LastResort) == "backup>fault own_fault");
  CHECK(driver.candidacy(30ms, Candidacy::None) == "-");
  CHECK(driver.candidacy(40ms, Candidacy::IfNobodyHeard) == "fault>backup operator_release");
  CHECK(driver.candidacy(50ms, Candidacy::Full) == "-");
}

TEST_CASE("with no candidacy nothing leads to a claim") {
  Driver driver(settings(), Candidacy::None);
  driver.start();
  driver.hear(10ms, 100);
  CHECK(driver.hear(20ms, 0) == "-");
  CHECK(driver.time(1h) == "-");
  CHECK(driver.state() == VipState::Fault);
  CHECK_FALSE(driver.instance.next_deadline().has_value());
}

TEST_CASE("given away by the operator: taken back only after a down interval of silence") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::IfNobodyHeard);
  CHECK(driver.deadline() == kTaken + 50ms + 325ms);
  driver.hear(kTaken + 60ms, 100, kLowPeer);
  CHECK(driver.deadline() == kTaken + 60ms + 325ms);
  CHECK(driver.run(kTaken + 385ms) ==
        std::vector<std::string>{"backup>active nobody_heard advertise announce"});
}

TEST_CASE("given away by the operator: a priority 0 heard begins another down interval") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::IfNobodyHeard);
  driver.hear(kTaken + 60ms, 100, kLowPeer);
  CHECK(driver.hear(kTaken + 160ms, 0, kLowPeer) == "-");
  CHECK(driver.deadline() == kTaken + 160ms + 325ms);
}

TEST_CASE("with a fault that still lets it serve: taken back after three down intervals of silence") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::LastResort);
  CHECK(driver.deadline() == kTaken + 50ms + 975ms);
  CHECK(driver.run(kTaken + 1025ms) ==
        std::vector<std::string>{"fault>active nobody_heard advertise announce"});
}

TEST_CASE("a reluctant holder says so, and any other one goes first") {
  Driver driver = active_driver();
  CHECK(driver.instance.advertised_priority() == 100);
  driver.candidacy(kTaken + 50ms, Candidacy::LastResort);
  CHECK(driver.instance.advertised_priority() == 100);
  driver.run(kTaken + 1025ms);
  CHECK(driver.instance.advertised_priority() == kReluctantPriority);
  CHECK(driver.hear(kTaken + 1030ms, 50, kLowPeer) == "active>fault higher_priority tell_winner");
}

TEST_CASE("two reluctant holders: the higher address stays") {
  Driver driver = active_driver();
  driver.candidacy(kTaken, Candidacy::LastResort);
  driver.run(kTaken + 975ms);
  CHECK(driver.hear(kTaken + 1000ms, kReluctantPriority, kLowPeer) == "advertise announce");
  CHECK(driver.hear(kTaken + 1010ms, kReluctantPriority, kPeer) ==
        "active>fault higher_priority tell_winner");
}

TEST_CASE("a reluctant holder whose candidacy is back says so at once, one without candidacy releases") {
  Driver driver = active_driver();
  driver.candidacy(kTaken, Candidacy::LastResort);
  driver.run(kTaken + 975ms);
  CHECK(driver.candidacy(kTaken + 980ms, Candidacy::IfNobodyHeard) == "-");
  CHECK(driver.candidacy(kTaken + 990ms, Candidacy::Full) == "advertise");
  CHECK(driver.instance.advertised_priority() == 100);
  driver.candidacy(kTaken + 1s, Candidacy::LastResort);
  driver.run(kTaken + 1975ms);
  CHECK(driver.candidacy(kTaken + 1980ms, Candidacy::None) == "active>fault own_fault release");
}

TEST_CASE("fault gone: nobody heard since the release takes the address back after one interval") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::None);
  CHECK(driver.candidacy(kTaken + 70ms, Candidacy::Full) == "fault>backup fault_gone");
  CHECK(driver.deadline() == kTaken + 150ms);
  CHECK(driver.run(kTaken + 150ms) ==
        std::vector<std::string>{"backup>active fault_gone advertise announce"});
}

TEST_CASE("fault gone: nobody heard for an interval takes the address back at once") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::None);
  CHECK(driver.candidacy(kTaken + 150ms, Candidacy::Full) == "fault>active fault_gone advertise announce");
}

TEST_CASE("fault gone: one that was heard meanwhile keeps the address") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::None);
  driver.candidacy(kTaken + 60ms, Candidacy::Full);
  CHECK(driver.hear(kTaken + 70ms, 100, kLowPeer) == "-");
  CHECK(driver.deadline() == kTaken + 70ms + 325ms);
}

TEST_CASE("fault gone: a late advertisement of a living holder is waited for, a down interval long") {
  Driver driver(settings(), Candidacy::None);
  driver.start();
  driver.hear(1s, 100);
  CHECK(driver.candidacy(1101ms, Candidacy::Full) == "fault>backup fault_gone");
  CHECK(driver.deadline() == 1325ms);
}

TEST_CASE("fault gone: a holder that fell silent during our fault is followed at once") {
  Driver driver(settings(), Candidacy::None);
  driver.start();
  driver.hear(1s, 100);
  CHECK(driver.candidacy(1325ms, Candidacy::Full) == "fault>active fault_gone advertise announce");
}

TEST_CASE("fault gone: a holder that let go during our fault is followed at once") {
  Driver driver(settings(), Candidacy::None);
  driver.start();
  driver.hear(1s, 100);
  CHECK(driver.hear(1010ms, 0) == "-");
  CHECK(driver.candidacy(1015ms, Candidacy::Full) == "fault>active fault_gone advertise announce");
}

TEST_CASE("resume: a full candidate again, it does not take the address from who has it") {
  Driver driver = active_driver();
  driver.candidacy(kTaken + 50ms, Candidacy::IfNobodyHeard);
  driver.hear(kTaken + 55ms, 100, kLowPeer);
  CHECK(driver.candidacy(kTaken + 60ms, Candidacy::Full) == "-");
  CHECK(driver.deadline() == kTaken + 55ms + 325ms);
}

TEST_CASE("a claim in a fault waits for startup_delay too") {
  InstanceSettings given = settings();
  given.startup_delay = 5s;
  Driver driver(given, Candidacy::LastResort);
  CHECK(driver.start() == "init>fault startup");
  CHECK(driver.deadline() == 5s);
}

}  // namespace
}  // namespace vipward
