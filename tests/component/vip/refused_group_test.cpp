// A kernel that refuses the group of VRRP: who cannot hear the holder must not claim.
#include <doctest/doctest.h>

#include <fstream>

#include "tests/component/vip/router_bench.h"

namespace vipward::test {
namespace {

// Of the router's host: how many groups a socket may join.
void allow_groups(const RouterBench& bench, const char* number) {
  bench.holder.call(
      [&] { std::ofstream("/proc/sys/net/ipv4/igmp_max_memberships") << number << std::flush; });
}

TEST_CASE("by multicast a host that cannot join the group stands still, says so, and tries again") {
  RouterBench bench;
  bench.config.peers.clear();
  allow_groups(bench, "0");
  bench.make_router();
  bench.router->set_candidacy(Candidacy::Full, "");
  bench.router->start();
  CHECK(bench.router->state() == VipState::Fault);
  CHECK(bench.router->report().reason == "cannot join 224.0.0.18 on eth0: No buffer space available");

  // The next image does not take the group for joined.
  bench.come_back(bench.leave());
  CHECK(bench.router->state() == VipState::Fault);
  CHECK(bench.router->report().reason == "cannot join 224.0.0.18 on eth0: No buffer space available");
  // It was tried again meanwhile, and said once by each.
  const TimePoint enough = bench.loop.now() + 2500ms;
  bench.run_until([&] { return bench.loop.now() >= enough; });
  CHECK(bench.log.count("cannot listen for VRRP") == 2);

  allow_groups(bench, "20");
  REQUIRE(bench.run_until([&] { return bench.router->state() == VipState::Active; }));
  CHECK(bench.router->report().warning.empty());
  bench.say(200);
  CHECK(bench.run_until([&] { return bench.router->state() == VipState::Backup; }));
}

TEST_CASE("by unicast the group is for strangers alone, and a host without it serves") {
  RouterBench bench;
  allow_groups(bench, "0");
  bench.become_active();
  CHECK(bench.log.count("cannot listen for VRRP") == 1);
  bench.say(200);
  CHECK(bench.run_until([&] { return bench.router->state() == VipState::Backup; }));
}

}  // namespace
}  // namespace vipward::test
