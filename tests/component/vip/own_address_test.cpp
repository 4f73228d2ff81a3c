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
