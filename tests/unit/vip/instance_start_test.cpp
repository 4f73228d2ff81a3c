// Start and carrier up: listen first. Skews and how ties are broken.
#include "tests/unit/vip/instance_driver.h"

namespace vipward {
namespace {

// (256 - 100) / 256 of 100 ms.
constexpr Duration kRfcSkew = 60937500ns;

InstanceSettings with_startup_delay(Duration delay) {
  InstanceSettings result = settings();
  result.startup_delay = delay;
  return result;
}

TEST_CASE("the first down interval is the RFC's, and a quarter of an interval for each higher peer") {
  struct Row {
    std::uint8_t priority;
    std::vector<IpAddress> peers;
    Duration expected;
  };
  const Row rows[] = {
      {100, {}, 300ms + kRfcSkew},         {100, {kLowPeer}, 300ms + kRfcSkew},
      {100, {kPeer}, 325ms + kRfcSkew},    {100, {kPeer, kLowPeer, ip("10.0.0.4")}, 350ms + kRfcSkew},
      {254, {kLowPeer}, 300ms + 781250ns},
  };
  for (const Row& row : rows) {
    CHECK(start_down_interval(SkewRule::SinglePeer, row.priority, 100ms, kOwn, row.peers) == row.expected);
    InstanceSettings given = settings();
    given.priority = row.priority;
    given.peers = row.peers;
    Driver driver(given);
    driver.start();
    CHECK(driver.deadline() == row.expected);
  }
}

TEST_CASE("version 2 counts its skew in seconds, whatever the interval") {
  CHECK(rfc_skew(SkewRule::Version2, 128, 3s) == 500ms);
  CHECK(rfc_skew(SkewRule::Rfc, 128, 3s) == 1500ms);
  CHECK(down_interval(SkewRule::Version2, 128, 3s) == 9500ms);
  CHECK(release_skew(SkewRule::Version2, 128, 3s) == 500ms);
  CHECK(release_skew(SkewRule::SinglePeer, 128, 3s) == 0ms);
  CHECK(start_down_interval(SkewRule::Version2, 128, 3s, kOwn, {}) == 9500ms);
}

TEST_CASE("with one unicast peer the skew is a quarter of the interval, at least 5 ms") {
  CHECK(down_interval(SkewRule::SinglePeer, 100, 100ms) == 325ms);
  CHECK(down_interval(SkewRule::SinglePeer, 1, 1s) == 3250ms);
  CHECK(down_interval(SkewRule::SinglePeer, 254, 10ms) == 35ms);
  CHECK(down_interval(SkewRule::Rfc, 250, 100ms) == 300ms + 2343750ns);
}

TEST_CASE("with one unicast peer its priority 0 is a takeover in the same event") {
  Driver driver;
  driver.start();
  driver.hear(10ms, 100);
  CHECK(driver.hear(50ms, 0) == "backup>active priority_zero advertise announce");
  // The second copy, 2 ms later, finds us active and is answered at the least distance.
  CHECK(driver.hear(52ms, 0) == "-");
  CHECK(driver.deadline() == 60ms);
}

TEST_CASE("no claim before startup_delay is over") {
  Driver driver(with_startup_delay(5s));
  driver.start();
  CHECK(driver.run(5s - 1ns).empty());
  CHECK(driver.run(5s) == std::vector<std::string>{"backup>active down_timer advertise announce"});
}

TEST_CASE("startup_delay: an active one that falls silent meanwhile is followed when it is over") {
  Driver driver(with_startup_delay(5s));
  driver.start();
  driver.hear(1s, 100);
  CHECK(driver.run(10s).front() == "backup>active down_timer advertise announce");
  CHECK(driver.instance.next_deadline() == kEpoch + 10s + 100ms);
}

TEST_CASE("startup_delay: priority 0 of the active one ends it") {
  Driver driver(with_startup_delay(5s));
  driver.start();
  driver.hear(1s, 100);
  CHECK(driver.hear(1100ms, 0) == "backup>active priority_zero advertise announce");
  Driver unheard(with_startup_delay(5s));
  unheard.start();
  CHECK(unheard.hear(50ms, 0) == "backup>active priority_zero advertise announce");
}

TEST_CASE("startup_delay: with several peers priority 0 ends it too, after the RFC's skew") {
  InstanceSettings given = with_startup_delay(5s);
  given.skew = SkewRule::Rfc;
  Driver driver(given);
  driver.start();
  driver.hear(1s, 100);
  CHECK(driver.hear(1100ms, 0) == "-");
  CHECK(driver.deadline() == 1100ms + kRfcSkew);
}

TEST_CASE("startup_delay: one that lets go and is back at once is listened to again") {
  InstanceSettings given = with_startup_delay(5s);
  given.skew = SkewRule::Rfc;
  Driver driver(given);
  driver.start();
  driver.hear(1s, 100);
  driver.hear(1010ms, 0);
  driver.hear(1020ms, 100);
  CHECK(driver.deadline() == 5s);
}

TEST_CASE("an address that was ours is taken back after the down interval, without startup_delay") {
  Driver driver(with_startup_delay(5s));
  CHECK(driver.start(true) == "init>backup startup");
  const Duration first = start_down_interval(SkewRule::SinglePeer, 100, 100ms, kOwn, {kPeer});
  CHECK(driver.run(first - 1ns).empty());
  CHECK(driver.run(first) == std::vector<std::string>{"backup>active down_timer advertise announce"});
}

TEST_CASE("an address that was ours stays with the peer that has it") {
  Driver driver(with_startup_delay(5s));
  driver.start(true);
  for (Duration at = 50ms; at < 10s; at += 100ms) {
    driver.hear(at, 100);
    CHECK(driver.time(at) == "-");
  }
  CHECK(driver.state() == VipState::Backup);
}

TEST_CASE("no claim before the proxy serves, and none before the start's listening is over") {
  Driver driver(settings(), Candidacy::None);
  CHECK(driver.start() == "init>fault startup");
  CHECK_FALSE(driver.instance.next_deadline().has_value());
  const Duration first = start_down_interval(SkewRule::SinglePeer, 100, 100ms, kOwn, {kPeer});
  CHECK(driver.candidacy(250ms, Candidacy::Full) == "fault>backup fault_gone");
  CHECK(driver.deadline() == first);
  CHECK(driver.run(first) == std::vector<std::string>{"backup>active fault_gone advertise announce"});
}

TEST_CASE("a proxy that serves long after the start takes an address that nobody has at once") {
  Driver driver(with_startup_delay(5s), Candidacy::None);
  driver.start();
  CHECK(driver.candidacy(8s, Candidacy::Full) == "fault>active fault_gone advertise announce");
}

TEST_CASE("carrier up: listens anew and waits for startup_delay") {
  Driver driver(with_startup_delay(5s));
  driver.start(true);
  driver.candidacy(10ms, Candidacy::None);
  CHECK(words(driver.instance.on_carrier_up(kEpoch + 20s)) == "-");
  CHECK(driver.candidacy(20s, Candidacy::Full) == "fault>backup fault_gone");
  CHECK(driver.deadline() == 25s);
}

TEST_CASE("carrier up: one that is heard keeps the addresses") {
  Driver driver = active_driver();
  const Duration at = driver.deadline();
  CHECK(driver.candidacy(at, Candidacy::None) == "active>fault own_fault release");
  driver.instance.on_carrier_up(kEpoch + at + 5s);
  driver.candidacy(at + 5s, Candidacy::Full);
  CHECK(driver.hear(at + 5s + 100ms, 100, kLowPeer) == "-");
  CHECK(driver.deadline() == at + 5s + 100ms + 325ms);
}

TEST_CASE("carrier up while active: the switch is told again") {
  Driver driver = active_driver();
  CHECK(words(driver.instance.on_carrier_up(kEpoch + driver.deadline() - 50ms)) == "advertise announce");
  Driver stopped;
  CHECK(words(stopped.instance.on_carrier_up(kEpoch)) == "-");
}

TEST_CASE("the learnt interval of the active one sets the timer, ours counts again once it is gone") {
  Driver driver;
  driver.start();
  driver.hear(100ms, 100, kPeer, 1s);
  CHECK(driver.instance.learnt_interval() == 1s);
  CHECK(driver.deadline() == 100ms + 3250ms);
  CHECK(driver.run(100ms + 3250ms) ==
        std::vector<std::string>{"backup>active down_timer advertise announce"});
  CHECK(driver.instance.learnt_interval() == 100ms);
  CHECK(driver.deadline() == 100ms + 3350ms);
}

TEST_CASE("with several peers the priority 0 of one that is not active is ignored") {
  InstanceSettings given = settings();
  given.skew = SkewRule::Rfc;
  given.peers = {kPeer, kLowPeer};
  Driver driver(given);
  driver.start();
  driver.hear(100ms, 100, kPeer);
  const Duration before = driver.deadline();
  CHECK(driver.hear(110ms, 0, kLowPeer) == "-");
  CHECK(driver.deadline() == before);
}

TEST_CASE("with several peers the second copy of priority 0 does not put the timer off") {
  InstanceSettings given = settings();
  given.skew = SkewRule::Rfc;
  Driver driver(given);
  driver.start();
  driver.hear(100ms, 100);
  driver.hear(150ms, 0);
  driver.hear(152ms, 0);
  CHECK(driver.deadline() == 150ms + kRfcSkew);
}

TEST_CASE("before the start and after the end nothing is heard, and a second start is a new one") {
  Driver driver;
  CHECK(driver.hear(0ms, 0) == "-");
  CHECK(driver.time(0ms) == "-");
  CHECK(words(driver.instance.shut_down(kEpoch)) == "-");
  CHECK_FALSE(driver.instance.next_deadline().has_value());
  driver.start();
  CHECK(driver.start() == "-");
  driver.hear(10ms, 100);
  driver.instance.shut_down(kEpoch + 20ms);
  CHECK(driver.hear(30ms, 0) == "-");
  CHECK(words(driver.instance.start(kEpoch + 1s, false)) == "init>backup startup");
  CHECK_FALSE(driver.instance.last_heard().has_value());
  CHECK(driver.deadline() == 1s + start_down_interval(SkewRule::SinglePeer, 100, 100ms, kOwn, {kPeer}));
}

TEST_CASE("the last one that claimed is remembered for the status") {
  Driver driver;
  driver.start();
  CHECK_FALSE(driver.instance.last_heard().has_value());
  driver.hear(10ms, 120);
  driver.hear(20ms, 0);
  const auto heard = driver.instance.last_heard();
  REQUIRE(heard.has_value());
  CHECK(heard->source == kPeer);
  CHECK(heard->priority == 120);
  CHECK(heard->at == kEpoch + 10ms);
}

}  // namespace
}  // namespace vipward
