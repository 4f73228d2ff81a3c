// A VirtualRouter replaced by one with another configuration, and what cannot be followed.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/component/vip/router_bench.h"

namespace vipward::test {
namespace {

const IpAddress kSecond = ip("10.77.0.101");
const IpAddress kThird = ip("10.77.0.102");
constexpr auto kUnknownPeer = static_cast<std::size_t>(VrrpRejectReason::UnknownPeer);

TEST_CASE("added addresses are on and announced, removed ones off and named, kept ones never leave") {
  RouterBench bench;
  bench.config.addresses = {Cidr{bench.vip, 24}, Cidr{kSecond, 24}};
  bench.become_active();
  REQUIRE(bench.run_until([&] { return bench.announced() >= 2 * kAnnounceOffsets.size(); }));
  auto left = bench.leave();
  bench.config.addresses = {Cidr{kSecond, 24}, Cidr{kThird, 24}};
  bench.make_router(std::move(left));
  // Not before what waits was heard; but from now on a crash would have to remove all three.
  CHECK(bench.record() == "10.77.0.101 eth0\n10.77.0.102 eth0\n10.77.0.100 eth0\n");
  CHECK(bench.is_on(bench.vip));
  CHECK_FALSE(bench.is_on(kThird));
  bench.router->set_candidacy(Candidacy::Full, "");
  const std::uint64_t announced = bench.announced();
  bench.router->go_on();

  CHECK(bench.router->state() == VipState::Active);
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK(bench.is_on(kSecond));
  CHECK(bench.is_on(kThird));
  CHECK_FALSE(bench.was_gone(kSecond));
  CHECK(bench.unconfigured == std::vector{bench.vip});
  CHECK(bench.given_up == 0);
  CHECK(bench.record() == "10.77.0.101 eth0\n10.77.0.102 eth0\n");
  // Nobody had removed it.
  CHECK(bench.router->report().counters.restored == 0);
  CHECK(bench.run_until([&] { return bench.announced() > announced; }));
  CHECK(bench.run_until([&] { return bench.heard.back().addresses == std::vector{kSecond, kThird}; }));
}

TEST_CASE("a backup that gets other addresses puts none on") {
  RouterBench bench;
  bench.become_backup();
  auto left = bench.leave();
  bench.config.addresses = {Cidr{kSecond, 24}};
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Backup);
  CHECK_FALSE(bench.is_on(kSecond));
  CHECK(bench.unconfigured.empty());
}

TEST_CASE("who gives up in the first turn names what is no longer configured as well") {
  RouterBench bench;
  bench.config.addresses = {Cidr{bench.vip, 24}, Cidr{kSecond, 24}};
  bench.become_active();
  auto left = bench.leave();
  bench.config.addresses = {Cidr{kSecond, 24}};
  left.memory.instance.last_sent -= 1h;
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Backup);
  CHECK(bench.given_up == 1);
  CHECK(bench.unconfigured == std::vector{bench.vip});
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK_FALSE(bench.is_on(kSecond));
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));
}

TEST_CASE("priority and interval are told at once, and followed") {
  RouterBench bench;
  bench.become_active();
  REQUIRE(bench.hears(2));
  auto left = bench.leave();
  bench.listen();
  const std::size_t before = bench.heard.size();
  bench.config.priority = 120;
  bench.config.advertise_interval = 30ms;
  bench.come_back(std::move(left));
  CHECK(bench.router->report().priority == 120);
  REQUIRE(bench.run_until([&] { return bench.heard.size() >= before + 5; }));
  for (std::size_t i = before; i < bench.heard.size(); ++i) {
    CHECK(bench.heard[i].priority == 120);
    CHECK(bench.heard[i].interval == 30ms);
  }
  CHECK(bench.entered(VipState::Active) == 1);
}

TEST_CASE("the lifetime is the new one at once, also none at all") {
  RouterBench bench;
  bench.become_active();
  const auto lifetime_after = [&](std::chrono::seconds lifetime) {
    auto left = bench.leave();
    bench.config.address_lifetime = lifetime;
    bench.come_back(std::move(left));
    return addresses_of(bench.holder);
  };
  CHECK(contains(lifetime_after(40s), "valid_lft 40sec"));
  CHECK(contains(lifetime_after(0s), "valid_lft forever"));
  CHECK(contains(lifetime_after(20s), "valid_lft 20sec"));
  CHECK_FALSE(bench.was_gone(bench.vip));
}

TEST_CASE("a peer that is no longer configured is heard no more, its successor is") {
  RouterBench bench;
  bench.become_active();
  auto left = bench.leave();
  bench.config.peers = {ip("10.77.0.250")};
  bench.come_back(std::move(left));
  bench.say(200);
  CHECK(bench.run_until([&] { return bench.router->report().counters.rejected.at(kUnknownPeer) == 1; }));
  CHECK(bench.router->state() == VipState::Active);
  left = bench.leave();
  bench.config.peers = {bench.peer.address()};
  bench.come_back(std::move(left));
  bench.say(200);
  CHECK(bench.run_until([&] { return bench.router->state() == VipState::Backup; }));
}

TEST_CASE("a tracked interface that is down is a fault from the first turn on") {
  RouterBench bench;
  bench.become_active();
  auto left = bench.leave();
  bench.config.track_interfaces = {"uplink"};
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Fault);
  CHECK(bench.router->report().reason == "tracked interface uplink is not there");
}

TEST_CASE("what a configuration asks for and this host cannot follow is refused before") {
  RouterBench bench;
  bench.make_interface("other");  // 10.78.0.10/24
  bench.become_active();
  VipConfig next = bench.config;
  CHECK(bench.router->refusal_of(next) == std::nullopt);

  SUBCASE("another interface, found by the address") {
    next.addresses = {Cidr{ip("10.78.0.100"), 24}};
    CHECK(bench.router->refusal_of(next) ==
          "vip.interface: auto means other for 10.78.0.100, and eth0 is in use: this needs a restart of "
          "vipward, on the standby first");
  }
  SUBCASE("an address in no subnet of the interface") {
    next.addresses = {Cidr{ip("10.79.0.100"), 24}};
    CHECK(bench.router->refusal_of(next) ==
          "vip.addresses: interface eth0 has no address in the subnet of 10.79.0.100");
  }
  SUBCASE("an address of the host's own") {
    run_ok(bench.holder, {"ip", "address", "add", "10.77.0.101/24", "dev", "eth0"});
    next.addresses.push_back(Cidr{kSecond, 24});
    CHECK(bench.run_until([&] {
      return bench.router->refusal_of(next) ==
             "vip.addresses: 10.77.0.101 is an address of this host's own, 10.77.0.101/24 on eth0; remove "
             "it: ip addr del 10.77.0.101/24 dev eth0";
    }));
  }
  SUBCASE("peers of which none is this host") {
    next.peers = {ip("10.77.0.250"), ip("10.77.0.251")};
    CHECK(
        bench.router->refusal_of(next) ==
        "vip.peers: none of them is an address of this host, allowed: the addresses of all hosts, or of two "
        "the other one alone");
  }
  SUBCASE("but nothing when there is no interface now: it would be no worse off") {
    run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
    run_ok(bench.holder, {"ip", "address", "flush", "dev", "eth0"});
    REQUIRE(bench.run_until([&] { return bench.router->state() == VipState::Fault; }));
    next.priority = 120;
    next.peers = {bench.peer.address()};
    CHECK(bench.router->refusal_of(next) == std::nullopt);
  }
  CHECK(bench.router->refusal_of(bench.config) == std::nullopt);
}

}  // namespace
}  // namespace vipward::test
