// Reload and upgrade of a host that holds the VIP, and of one that stands by: the other one sees nothing of
// it.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// The longest time between two advertisements of a host, in intervals of its own.
double longest_silence(const EdgePair& pair, EdgeHost& host, FrameTime since) {
  const auto frames = pair.sniffer().advertisements_of(host.host(), since);
  REQUIRE(frames.size() >= 2);
  std::chrono::nanoseconds longest{};
  for (std::size_t i = 1; i < frames.size(); ++i)
    longest = std::max(longest, frames[i].time - frames[i - 1].time);
  return static_cast<double>(longest.count()) /
         static_cast<double>(std::chrono::nanoseconds(host.settings().interval).count());
}

TEST_CASE("reloads and upgrades of the holder: no transition, no late advertisement, no session lost") {
  Contender standby = Contender::Keepalived;
  SUBCASE("keepalived stands by") {}
  SUBCASE("vipward stands by") {
    standby = Contender::Vipward;
  }
  EdgePair pair(Contender::Vipward, standby);
  pair.start(pair.lb1());
  Daemon& vipward = as_vipward(pair.lb1()).daemon();
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();
  for (int i = 0; i < 10; ++i) {
    const CommandResult result = vipward.command({i % 4 == 3 ? "upgrade" : "reload"});
    CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
    CHECK(pair.is_only_holder(pair.lb1()));
  }
  // Two intervals are the bar on a quiet machine (perf/reload measures); three would be a transition.
  CHECK(longest_silence(pair, pair.lb1(), before) < 3);
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK(traffic.clients->ask_again(5s) == 20);
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(vipward.metrics().value("vipward_vip_transitions_total", {{"to", "active"}}) == 1);
  CHECK(vipward.metrics().value("vipward_vip_state", {{"state", "active"}}) == 1);
}

TEST_CASE("reloads of the standby: the holder is not disturbed, and the standby still takes over") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  Daemon& standby = as_vipward(pair.lb2()).daemon();
  const FrameTime before = FrameClock::now();
  for (int i = 0; i < 5; ++i) CHECK(standby.command({"reload"}).exit_code == 0);
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK(pair.is_only_holder(pair.lb1()));
  pair.lb1().signal_everything(SIGKILL);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 5s), pair.holders_text());
}

TEST_CASE("priority, interval and addresses of the VIP change with a reload, without a transition") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  VipwardEdge& holder = as_vipward(pair.lb1());
  Daemon& vipward = holder.daemon();
  const FrameTime before = FrameClock::now();
  holder.settings().priority = 77;
  holder.settings().interval = 300ms;
  const IpAddress second = *IpAddress::parse("10.77.0.101");
  holder.set_vip_key("addresses", "[10.77.0.100/24, 10.77.0.101/24]");
  holder.write_config();
  const CommandResult result = vipward.command({"reload"});
  CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
  CHECK(result.standard_output.find("vip: addresses 10.77.0.101/24 added\n") != std::string::npos);
  CHECK(result.standard_output.find("vip: priority 100 -> 77\n") != std::string::npos);
  CHECK(pair.lb1().host().has_address(second));
  CHECK(wait_until(
      [&] {
        const auto frames = pair.sniffer().advertisements_of(pair.lb1().host(), before);
        return !frames.empty() && frames.back().priority == 77;
      },
      5s));
  holder.set_vip_key("addresses", "[10.77.0.100/24]");
  holder.write_config();
  CHECK(vipward.command({"reload"}).exit_code == 0);
  CHECK_FALSE(pair.lb1().host().has_address(second));
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
}

TEST_CASE("what a virtual router is known by does not change with a reload") {
  EdgePair pair(Contender::Vipward);
  pair.start_alone(pair.lb1());
  VipwardEdge& holder = as_vipward(pair.lb1());
  holder.settings().virtual_router_id = 101;
  holder.write_config();
  const CommandResult result = holder.daemon().command({"reload"});
  CHECK(result.exit_code == 1);
  CHECK(result.standard_error ==
        "vipward reload: nothing changed\nvip.virtual_router_id 100 -> 101: this needs a restart of vipward, "
        "on "
        "the standby first\n");
  CHECK(pair.is_only_holder(pair.lb1()));
}

}  // namespace
}  // namespace vipward::test
