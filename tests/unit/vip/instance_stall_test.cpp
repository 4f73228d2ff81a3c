// Stalls, bursts of stale packets, competing claims: what keepalived answers with a storm.
#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

const Duration kTaken = start_down_interval(SkewRule::SinglePeer, 100, 100ms, kOwn, {kPeer});

TEST_CASE("three own intervals without an advertisement: steps down without a word and listens") {
  Driver driver = active_driver();
  CHECK(driver.time(kTaken + 300ms) == "active>backup stall");
  CHECK(driver.deadline() == kTaken + 300ms + 325ms);
  CHECK(driver.run(kTaken + 625ms) ==
        std::vector<std::string>{"backup>active down_timer advertise announce"});
}

TEST_CASE("a delay below three intervals is no stall") {
  Driver driver = active_driver();
  CHECK(driver.time(kTaken + 300ms - 1ns) == "advertise");
}

TEST_CASE("after a stall the first event finds it, whichever it is") {
  CHECK(active_driver().hear(kTaken + 3s, 50, kLowPeer) == "active>backup stall");
  CHECK(active_driver().hear(kTaken + 3s, 0) == "active>backup stall");
  CHECK(active_driver().hear(kTaken + 3s, 200) == "active>backup stall");
  CHECK(active_driver().candidacy(kTaken + 3s, Candidacy::Full) == "active>backup stall");
  CHECK(active_driver().candidacy(kTaken + 3s, Candidacy::None) == "active>fault own_fault");
  CHECK(words(active_driver().instance.on_carrier_up(kEpoch + kTaken + 3s)) == "active>backup stall");
  CHECK(words(active_driver().instance.shut_down(kEpoch + kTaken + 3s)) == "active>init shutdown");
}

TEST_CASE("after a stall queued packets of the new holder are heard, and it keeps the address") {
  Driver driver = active_driver();
  Actions turn;
  for (int i = 0; i < 20; ++i) {
    turn.merge(driver.instance.on_advertisement(kEpoch + kTaken + 3s, {100, 100ms, kLowPeer}));
  }
  turn.merge(driver.instance.on_time(kEpoch + kTaken + 3s));
  CHECK(words(turn) == "active>backup stall");
  CHECK(driver.deadline() == kTaken + 3s + 325ms);
}

TEST_CASE("after a stall a queued priority 0 may be stale: no claim before a down interval was listened to") {
  Driver driver = active_driver();
  driver.hear(kTaken + 3s, 100);
  CHECK(driver.hear(kTaken + 3s, 0) == "-");
  CHECK(driver.deadline() == kTaken + 3s + 325ms);
  CHECK(driver.run(kTaken + 3325ms) ==
        std::vector<std::string>{"backup>active priority_zero advertise announce"});
}

TEST_CASE("after a stall neither a lost nor a regained candidacy shortens the listening") {
  Driver driver = active_driver();
  driver.time(kTaken + 3s);
  driver.candidacy(kTaken + 3010ms, Candidacy::None);
  CHECK(driver.candidacy(kTaken + 3200ms, Candidacy::Full) == "fault>backup fault_gone");
  CHECK(driver.deadline() == kTaken + 3325ms);
}

TEST_CASE("a burst of lower claims in one turn is answered by one advertisement and one announcement") {
  Driver driver = active_driver();
  Actions turn;
  for (int i = 0; i < 30; ++i) {
    turn.merge(driver.instance.on_advertisement(kEpoch + kTaken + 50ms, {100, 100ms, kLowPeer}));
  }
  turn.merge(driver.instance.on_time(kEpoch + kTaken + 50ms));
  CHECK(words(turn) == "advertise announce");
  CHECK(driver.deadline() == kTaken + 150ms);
}

TEST_CASE("claims that follow each other closely are answered at most every 10 ms") {
  Driver driver = active_driver();
  int answers = 0;
  for (Duration at = kTaken + 50ms; at < kTaken + 150ms; at += 100us) {
    if (driver.hear(at, 50, kLowPeer).find("advertise") != std::string::npos) ++answers;
  }
  CHECK(answers == 10);
}

TEST_CASE("a claim that crossed our advertisement is answered 10 ms after it: ours may have been lost") {
  Driver driver = active_driver();
  CHECK(driver.time(kTaken + 100ms) == "advertise");
  CHECK(driver.hear(kTaken + 101ms, 50, kLowPeer) == "announce");
  CHECK(driver.deadline() == kTaken + 110ms);
  CHECK(driver.time(kTaken + 110ms) == "advertise");
  CHECK(driver.deadline() == kTaken + 210ms);
}

TEST_CASE("our own packets, reflected, are not answered") {
  Driver driver = active_driver();
  CHECK(driver.hear(kTaken + 50ms, 100, kOwn) == "-");
  CHECK_FALSE(driver.instance.is_contested());
  Driver listening;
  listening.start();
  const Duration before = listening.deadline();
  CHECK(listening.hear(50ms, 100, kOwn) == "-");
  CHECK(listening.deadline() == before);
}

TEST_CASE("an own address that changes breaks ties from then on") {
  Driver driver = active_driver();
  driver.instance.set_own_address(ip("10.0.0.9"));
  CHECK(driver.hear(kTaken + 50ms, 100, kPeer) == "advertise announce");
}

TEST_CASE("a competing claim is announced against when it begins and when it has ended") {
  Driver driver = active_driver();
  CHECK(driver.hear(kTaken + 50ms, 50, kLowPeer) == "advertise announce");
  CHECK(driver.instance.is_contested());
  CHECK(driver.hear(kTaken + 150ms, 50, kLowPeer) == "advertise");
  CHECK(driver.run(kTaken + 470ms) == std::vector<std::string>{"advertise", "advertise", "advertise"});
  CHECK(driver.deadline() == kTaken + 475ms);
  CHECK(driver.time(kTaken + 475ms) == "announce");
  CHECK_FALSE(driver.instance.is_contested());
}

TEST_CASE("a competing claim with a longer interval ends after its own down interval") {
  Driver driver = active_driver();
  driver.hear(kTaken + 50ms, 50, kLowPeer, 1s);
  driver.run(kTaken + 3200ms);
  CHECK(driver.instance.is_contested());
  driver.run(kTaken + 3300ms);
  CHECK_FALSE(driver.instance.is_contested());
}

TEST_CASE("a competitor that lets go ends the episode") {
  Driver driver = active_driver();
  driver.hear(kTaken + 50ms, 50, kLowPeer);
  CHECK(driver.hear(kTaken + 80ms, 0, kLowPeer) == "advertise announce");
  CHECK_FALSE(driver.instance.is_contested());
  CHECK(driver.hear(kTaken + 82ms, 0, kLowPeer) == "-");
}

TEST_CASE(
    "a competitor that has heard us and gives way ends the episode, one that says it again begins one") {
  Driver driver = active_driver();
  // That of an orderly preemption: no episode at all.
  CHECK(driver.hear(kTaken + 50ms, kReluctantPriority, kLowPeer) == "advertise announce");
  CHECK_FALSE(driver.instance.is_contested());
  CHECK(driver.hear(kTaken + 150ms, kReluctantPriority, kLowPeer) == "advertise announce");
  CHECK(driver.instance.is_contested());
  // After claims that it meant.
  CHECK(driver.hear(kTaken + 250ms, 50, kLowPeer) == "advertise");
  CHECK(driver.hear(kTaken + 350ms, kReluctantPriority, kLowPeer) == "advertise announce");
  CHECK_FALSE(driver.instance.is_contested());
}

TEST_CASE("a last word that comes long after another one is one too") {
  Driver driver = active_driver();
  driver.hear(kTaken + 50ms, kReluctantPriority, kLowPeer);
  driver.run(kTaken + 10s);
  driver.hear(kTaken + 10s, kReluctantPriority, kLowPeer);
  CHECK_FALSE(driver.instance.is_contested());
}

TEST_CASE("a competitor that claims again when our answer had its time does not hear us") {
  Driver driver = active_driver();
  driver.hear(kTaken + 50ms, 50, kLowPeer);
  // Its last word, as keepalived says it.
  driver.hear(kTaken + 60ms, 50, kLowPeer);
  CHECK(driver.instance.is_contested());
  CHECK_FALSE(driver.instance.is_unheard());
  driver.hear(kTaken + 150ms, 50, kLowPeer);
  CHECK(driver.instance.is_unheard());
  driver.run(kTaken + 1s);
  CHECK_FALSE(driver.instance.is_unheard());
}

TEST_CASE("two that hold and say no more than that, in turns, are an episode") {
  Driver driver = active_driver();
  driver.hear(kTaken + 50ms, kReluctantPriority, kLowPeer);
  driver.hear(kTaken + 60ms, kReluctantPriority, kPeer);
  CHECK(driver.instance.is_contested());
}

TEST_CASE("a reluctant holder that was heard before we became active gives way by its next word") {
  Driver driver;
  driver.start();
  driver.hear(200ms, kReluctantPriority, kLowPeer);
  driver.run(525ms);
  REQUIRE(driver.state() == VipState::Active);
  driver.hear(530ms, kReluctantPriority, kLowPeer);
  CHECK_FALSE(driver.instance.is_contested());
}

TEST_CASE("two advertisements of one turn, a claim and its end, leave what holds after both") {
  Driver driver;
  driver.start();
  driver.hear(10ms, 150);
  Actions turn = driver.instance.on_advertisement(kEpoch + 50ms, {0, 100ms, kPeer});
  CHECK(words(turn) == "backup>active priority_zero advertise announce");
  turn.merge(driver.instance.on_advertisement(kEpoch + 50ms, {150, 100ms, kPeer}));
  CHECK(words(turn) == "-");
  CHECK(driver.state() == VipState::Backup);
}

TEST_CASE("a holder that wins and lets go in one turn leaves the address where it was, told anew") {
  Driver driver = active_driver();
  Actions turn = driver.instance.on_advertisement(kEpoch + kTaken + 50ms, {150, 100ms, kPeer});
  turn.merge(driver.instance.on_advertisement(kEpoch + kTaken + 50ms, {0, 100ms, kPeer}));
  CHECK(words(turn) == "advertise announce");
  CHECK(driver.state() == VipState::Active);
}

TEST_CASE("a release is told only by who was active before the turn and is not after it") {
  Actions turn{.transition = Transition{VipState::Backup, VipState::Active, Cause::DownTimer},
               .advertise = true,
               .announce = true};
  turn.merge(
      {.transition = Transition{VipState::Active, VipState::Fault, Cause::OwnFault}, .tell_release = true});
  CHECK(words(turn) == "backup>fault own_fault");
  Actions release{.transition = Transition{VipState::Active, VipState::Fault, Cause::OwnFault},
                  .tell_release = true};
  release.merge({.transition = Transition{VipState::Fault, VipState::Backup, Cause::FaultGone}});
  CHECK(words(release) == "active>backup fault_gone release");
}

TEST_CASE("every word of the status and the log is there") {
  CHECK(to_string(VipState::Init) == "init");
  CHECK(to_string(VipState::Fault) == "fault");
  CHECK(to_string(Cause::Startup) == "startup");
  CHECK(to_string(Cause::HigherPriority) == "higher_priority");
  CHECK(to_string(Cause::Shutdown) == "shutdown");
}

}  // namespace
}  // namespace vipward
