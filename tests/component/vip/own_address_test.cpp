// What a host's own addresses mean for the VIPs that it may hold.
#include <doctest/doctest.h>

#include <fstream>

#include "tests/component/vip/router_bench.h"

namespace vipward::test {
namespace {

TEST_CASE("packets come from the address that peers names, and without it the host has a fault") {
  RouterBench bench;
  // The first one of the subnet is another one.
  run_ok(bench.holder, {"ip", "address", "del", bench.holder.address().to_string() + "/24", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.66/24", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", bench.holder.address().to_string() + "/24", "dev", "eth0"});
  bench.become_active();
  // The bench's peer would refuse it as a stranger's: what it hears has the right source.
  REQUIRE(bench.hears(2));
  CHECK(bench.router->memory().source == bench.holder.address());

  run_ok(bench.holder, {"ip", "address", "del", bench.holder.address().to_string() + "/24", "dev", "eth0"});
  REQUIRE(bench.run_until([&] { return bench.router->state() == VipState::Fault; }));
  CHECK(bench.router->report().reason ==
        "interface eth0 has no usable address 10.77.0.10, by which vip.peers names this host");
  CHECK_FALSE(bench.is_on(bench.vip));
  run_ok(bench.holder, {"ip", "address", "add", bench.holder.address().to_string() + "/24", "dev", "eth0"});
  CHECK(bench.run_until([&] { return bench.router->state() == VipState::Active; }));
}

TEST_CASE("a link-local peer is this host by the address of the interface alone") {
  RouterBench bench;
  bench.config.addresses = {Cidr{ip("fd77::100"), 64}};
  bench.config.peers = {ip("fe80::1"), ip("fe80::2")};
  run_ok(bench.holder, {"ip", "address", "add", "fe80::2/64", "dev", "eth0", "nodad"});
  run_ok(bench.holder, {"ip", "link", "add", "br0", "type", "bridge"});
  run_ok(bench.holder, {"ip", "address", "add", "fe80::1/64", "dev", "br0", "nodad"});
  const auto links = make_inside<LinkWatch>(bench.holder);
  const OwnLinks own(bench.config, links->table());
  CHECK(own.interface() == "eth0");
  CHECK(own.own() == std::vector{ip("fe80::2")});
  CHECK(own.others() == std::vector{ip("fe80::1")});
}

TEST_CASE("peers that would change where packets come from are refused, as the others know this host by it") {
  RouterBench bench;
  const std::string own = bench.holder.address().to_string();
  run_ok(bench.holder, {"ip", "address", "del", own + "/24", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.66/24", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", own + "/24", "dev", "eth0"});
  const auto links = make_inside<LinkWatch>(bench.holder);
  const OwnLinks before(bench.config, links->table());
  VipConfig by_multicast = bench.config;
  by_multicast.peers.clear();
  CHECK(
      before.refusal_of(by_multicast, links->table()) ==
      "vip.peers: VRRP from " + own +
          " -> 10.77.0.66: the hosts must change it together: stop vipward on the standby, restart it here, "
          "start the standby");
  // By multicast the others hear whoever it is.
  CHECK(OwnLinks(by_multicast, links->table()).refusal_of(bench.config, links->table()) == std::nullopt);
  VipConfig more = bench.config;
  more.peers.push_back(ip("10.77.0.99"));
  CHECK(before.refusal_of(more, links->table()) == std::nullopt);
}

TEST_CASE("a host without IPv6 is no standby for an IPv6 address, and says so before it is needed") {
  RouterBench bench;
  bench.config.addresses.push_back(Cidr{ip("fd77::100"), 64});
  bench.become_backup();
  bench.holder.call([] { std::ofstream("/proc/sys/net/ipv6/conf/eth0/disable_ipv6") << "1" << std::flush; });
  REQUIRE(bench.run_until([&] { return bench.router->state() == VipState::Fault; }));
  CHECK(bench.router->report().reason ==
        "interface eth0 has no IPv6 address: is net.ipv6.conf.eth0.disable_ipv6 set?");
  bench.holder.call([] { std::ofstream("/proc/sys/net/ipv6/conf/eth0/disable_ipv6") << "0" << std::flush; });
  CHECK(bench.run_until([&] { return bench.router->state() != VipState::Fault; }));
}

}  // namespace
}  // namespace vipward::test
