// Hosts that re-execute themselves, with the same settings and with others, in simulated time.
#include <doctest/doctest.h>

#include <functional>

#include "tests/unit/vip/instance_driver.h"
#include "tests/unit/vip/simulation.h"

namespace vipward {
namespace {

constexpr std::uint32_t kSeeds = 40;

Failback any_failback(Random& random) {
  return static_cast<Failback>(random.below(3));
}

Duration any_interval(Random& random) {
  constexpr std::array<std::chrono::milliseconds, 5> kIntervals{10ms, 50ms, 100ms, 200ms, 1s};
  return kIntervals.at(random.below(kIntervals.size()));
}

// How long an image takes to come up.
Duration any_gap(Random& random) {
  return 5ms + std::chrono::milliseconds(random.below(60));
}

std::vector<InstanceSettings> pair_of_hosts() {
  std::vector<InstanceSettings> hosts(2, settings());
  hosts[1].own = kPeer;
  hosts[1].peers = {kOwn};
  return hosts;
}

std::vector<InstanceSettings> any_pair(Random& random) {
  std::vector<InstanceSettings> hosts = pair_of_hosts();
  for (InstanceSettings& host : hosts) {
    host.priority = static_cast<std::uint8_t>(90 + 10 * random.below(3));
    host.skew = random.below(2) == 0 ? SkewRule::SinglePeer : SkewRule::Rfc;
    host.failback = any_failback(random);
    host.failback_delay = std::chrono::milliseconds(100 * random.below(10));
    host.startup_delay = std::chrono::milliseconds(300 * random.below(3));
  }
  return hosts;
}

Simulation settled_pair(std::uint32_t seed, const std::vector<InstanceSettings>& hosts) {
  Simulation net(hosts, seed);
  net.set_candidacy(0, Candidacy::Full);
  net.start(0);
  net.run_for(3500ms);
  net.set_candidacy(1, Candidacy::Full);
  net.start(1);
  net.run_for(1s + std::chrono::milliseconds(seed * 7 % 100));
  REQUIRE(net.host(0).holds());
  REQUIRE_FALSE(net.host(1).holds());
  net.reset_gaps();
  return net;
}

// Twenty seconds in which everything happens to a pair; `at_moment` is called between, some hundred times.
void live(Simulation& net, std::uint32_t seed, const std::function<void(Simulation&)>& at_moment) {
  Random random(seed);
  for (const std::size_t index : {0U, 1U}) {
    net.set_candidacy(index, Candidacy::Full);
    net.start(index, random.below(2) == 0);
  }
  for (int event = 0; event < 100; ++event) {
    const std::size_t index = random.below(2);
    switch (random.below(6)) {
      case 0:
        net.set_candidacy(index, static_cast<Candidacy>(random.below(4)));
        break;
      case 1:
        net.mute(index, random.below(3) == 0);
        break;
      case 2:
        net.freeze(index, std::chrono::milliseconds(random.below(600)));
        break;
      case 3:
        net.set_loss(random.below(4) == 0 ? 0.2 : 0);
        break;
      default:
        net.set_candidacy(index, Candidacy::Full);
    }
    for (int step = 0; step < 4; ++step) {
      net.run_for(std::chrono::milliseconds(random.below(100)));
      at_moment(net);
    }
  }
}

TEST_CASE("saved and restored at any moment of a life: it is the life that it would have been") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed + 1000);
    const std::vector<InstanceSettings> hosts = any_pair(random);
    Simulation plain(hosts, seed);
    Simulation restored(hosts, seed);
    live(plain, seed, [](Simulation&) {});
    live(restored, seed, [&](Simulation& net) { net.replace(random.below(2)); });
    for (const std::size_t index : {0U, 1U}) {
      CHECK(restored.host(index).sent == plain.host(index).sent);
      CHECK(restored.host(index).transitions == plain.host(index).transitions);
      CHECK(restored.host(index).instance.memory() == plain.host(index).instance.memory());
    }
    CHECK(plain.host(0).transitions + plain.host(1).transitions > 10);
  }
}

TEST_CASE("resuming with the same settings changes nothing, but that the active one advertises") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed + 2000);
    Simulation net(any_pair(random), seed);
    live(net, seed, [](Simulation& now) {
      for (const std::size_t index : {0U, 1U}) {
        const Simulation::Host& host = now.host(index);
        InstanceMemory expected = host.instance.memory();
        Instance other(host.settings, expected);
        const TimePoint moment = TimePoint{} + 1h + now.now();
        other.resume(moment);
        if (host.holds()) expected.advertise_at = moment;
        CHECK(other.memory() == expected);
      }
    });
  }
}

TEST_CASE("an active host that re-executes itself with any interval or priority stays the only one") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::vector<InstanceSettings> hosts = pair_of_hosts();
    hosts[0].interval = any_interval(random);
    hosts[1].interval = any_interval(random);
    Simulation net = settled_pair(seed, hosts);
    const int transitions = net.host(0).transitions + net.host(1).transitions;
    for (int round = 0; round < 10; ++round) {
      hosts[0].interval = any_interval(random);
      hosts[0].priority = static_cast<std::uint8_t>(2 + random.below(250));
      net.re_execute(0, hosts[0], any_gap(random));
      net.run_for(70ms + std::chrono::milliseconds(random.below(3000)));
    }
    net.run_for(5s);
    CHECK(net.host(0).holds());
    CHECK(net.host(0).transitions + net.host(1).transitions == transitions);
    CHECK(net.longest_without() == 0s);
    CHECK(net.longest_shared() == 0s);
  }
}

TEST_CASE("no advertisement is late by more than the gap when an active host re-executes itself") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::vector<InstanceSettings> hosts = pair_of_hosts();
    Simulation net = settled_pair(seed, hosts);
    const std::size_t before = net.host(0).sent.size();
    for (int round = 0; round < 10; ++round) {
      net.re_execute(0, hosts[0], any_gap(random));
      net.run_for(70ms + std::chrono::milliseconds(random.below(1000)));
    }
    const std::vector<TimePoint>& sent = net.host(0).sent;
    for (std::size_t i = before; i < sent.size(); ++i) CHECK(sent[i] - sent[i - 1] <= 102ms);
    CHECK(sent.size() > before + 20);
  }
}

TEST_CASE("a backup that re-executes itself with any settings stays one, and follows a holder that dies") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::vector<InstanceSettings> hosts = pair_of_hosts();
    Simulation net = settled_pair(seed, hosts);
    const int transitions = net.host(1).transitions;
    for (int round = 0; round < 10; ++round) {
      hosts[1].interval = any_interval(random);
      hosts[1].priority = static_cast<std::uint8_t>(2 + random.below(250));
      hosts[1].startup_delay = 1h;
      net.re_execute(1, hosts[1], any_gap(random));
      net.run_for(70ms + std::chrono::milliseconds(random.below(500)));
    }
    CHECK(net.host(1).transitions == transitions);
    CHECK(net.longest_shared() == 0s);
    const Duration died = net.now();
    net.freeze(0, 1h);
    net.re_execute(1, hosts[1], any_gap(random));
    net.run_for(1s);
    REQUIRE(net.host(1).holds());
    CHECK(net.host(1).sent.front() - (TimePoint{} + 1h) - died <= 330ms);
  }
}

TEST_CASE(
    "reloads of both hosts with whatever settings: never nobody, never both for longer than one is deaf") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::vector<InstanceSettings> hosts = pair_of_hosts();
    Simulation net = settled_pair(seed, hosts);
    for (int round = 0; round < 40; ++round) {
      const std::size_t index = random.below(2);
      hosts[index].interval = any_interval(random);
      hosts[index].priority = static_cast<std::uint8_t>(2 + random.below(250));
      hosts[index].failback = any_failback(random);
      hosts[index].failback_delay = std::chrono::milliseconds(random.below(2000));
      net.re_execute(index, hosts[index], any_gap(random));
      net.run_for(70ms + std::chrono::milliseconds(random.below(2000)));
    }
    CHECK(net.longest_shared() < 70ms);
    CHECK(net.longest_without() == 0s);
    net.run_for(10s);
    net.reset_gaps();
    net.run_for(10s);
    CHECK(net.holders() == 1);
    CHECK(net.longest_shared() == 0s);
  }
}

TEST_CASE("an image that comes up after the peer has taken over is silent, whatever its interval") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::vector<InstanceSettings> hosts = pair_of_hosts();
    Simulation net = settled_pair(seed, hosts);
    hosts[0].interval = any_interval(random);
    hosts[0].priority = 200;
    net.re_execute(0, hosts[0], 800ms);
    const std::size_t sent_before = net.host(0).sent.size();
    net.run_for(790ms);
    REQUIRE(net.host(1).holds());
    const int transitions = net.host(1).transitions;
    net.run_for(5s);
    CHECK(net.host(0).sent.size() == sent_before);
    CHECK(net.host(1).transitions == transitions);
    CHECK(net.holders() == 1);
    CHECK(net.last_announcer() == 1);
  }
}

TEST_CASE("a program that cannot be executed: the same instance goes on, and the peer hears no difference") {
  for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Simulation net = settled_pair(seed, pair_of_hosts());
    const int transitions = net.host(1).transitions;
    net.leave_in_vain(0);
    net.run_for(250ms);
    CHECK(net.host(1).instance.learnt_interval() == 100ms);
    net.run_for(5s);
    CHECK(net.host(0).holds());
    CHECK(net.host(1).transitions == transitions);
    CHECK(net.longest_shared() == 0s);
  }
}

}  // namespace
}  // namespace vipward
