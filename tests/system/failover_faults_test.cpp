// Two hosts with vipward that freeze, lose their cable or their address, crash over and over, or have to
// share the VIP with a stranger. Times are judged only when they are beyond a second; perf/failover measures
// them.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/crash_loop.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

double counter(EdgeHost& host, std::string_view name) {
  return as_vipward(host).daemon().metrics().value(name).value_or(0);
}

// As many advertisements of this host as ten intervals hold: long enough for another one to speak up.
bool wait_for_ten_adverts(const EdgePair& pair, EdgeHost& host, FrameTime since) {
  return wait_until([&] { return pair.sniffer().advertisements_of(host.host(), since).size() >= 10; }, 5s);
}

TEST_CASE("a host that froze listens before it says anything, and cuts no session of the new holder") {
  EdgePair pair(Contender::Vipward);
  // With the higher address, it would win if it spoke first.
  pair.start(pair.lb2());
  const EdgePair::Traffic traffic = pair.start_traffic();
  pair.lb2().signal_everything(SIGSTOP);
  CHECK(pair.wait_until_served_by(pair.lb1(), 3s));
  CHECK(traffic.prober->longest_gap() < 1500ms);
  // The kernel takes it from the frozen host.
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 5s), pair.holders_text());
  const auto on_the_new_holder = pair.connect_clients(10, 0);

  const FrameTime resumed = FrameClock::now();
  pair.lb2().signal_everything(SIGCONT);
  CHECK(wait_for_ten_adverts(pair, pair.lb1(), resumed));
  CHECK(wait_until([&] { return pair.lb2().is_ready(); }, 10s));
  CHECK(pair.sniffer().advertisements_of(pair.lb2().host(), resumed).empty());
  CHECK(pair.sniffer().claims_of(pair.lb2().host(), pair.vip(), resumed).empty());
  CHECK_MESSAGE(pair.is_only_holder(pair.lb1()), pair.holders_text());
  CHECK(on_the_new_holder->ask_again(2s) == 10);
  // Those of the frozen host know that they are over.
  CHECK(traffic.clients->wait_until_ended(2s));
}

TEST_CASE("a host that froze too shortly for the peer to notice goes on as the active one") {
  EdgePair pair(Contender::Vipward);
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) host->settings().interval = 1000ms;
  pair.start(pair.lb1());
  const FrameTime before = FrameClock::now();
  const auto clients = pair.connect_clients();
  pair.lb1().signal_keeper(SIGSTOP);
  std::this_thread::sleep_for(300ms);  // the fault itself
  pair.lb1().signal_keeper(SIGCONT);
  CHECK(wait_until([&] { return pair.sniffer().advertisements_of(pair.lb1().host(), before).size() >= 4; },
                   10s));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK(clients->tally_since({}).hanging == 25);
}

TEST_CASE("a pulled cable moves the VIP, and a plugged one leaves it there with one holder") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb2());
  const EdgePair::Traffic traffic = pair.start_traffic();
  pair.lb2().host().pull_cable();
  CHECK(pair.wait_until_served_by(pair.lb1(), 3s));
  CHECK(traffic.prober->longest_gap() < 1500ms);
  // Its interface is down: an own fault.
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 2s), pair.holders_text());
  CHECK(wait_until([&] { return as_vipward(pair.lb2()).daemon().status().at("vip").at("state") == "fault"; },
                   2s));

  const FrameTime plugged = FrameClock::now();
  pair.lb2().host().plug_cable();
  CHECK(wait_for_ten_adverts(pair, pair.lb1(), plugged));
  CHECK(wait_until([&] { return pair.lb2().is_ready(); }, 5s));
  CHECK_MESSAGE(pair.is_only_holder(pair.lb1()), pair.holders_text());
  CHECK(pair.sniffer().claims(plugged) == std::vector<std::string>{"lb1"});
}

TEST_CASE("a removed address is back at once, and counted, without a transition") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();
  pair.lb1().host().remove_address(pair.vip());
  CHECK(wait_until([&] { return counter(pair.lb1(), "vipward_vip_restored_total") == 1; }, 2s));
  CHECK(wait_for_ten_adverts(pair, pair.lb1(), before));
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  // Restored means announced: somebody else may have had it meanwhile.
  CHECK(wait_until([&] { return !pair.sniffer().claims_of(pair.lb1().host(), pair.vip(), before).empty(); },
                   2s));
  CHECK(traffic.prober->longest_gap() < 1s);
}

TEST_CASE("while proxies crash over and over on both hosts, somebody serves between the crashes") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  CrashLoop crashes({&pair.lb1(), &pair.lb2()}, 300ms);
  crashes.run_for(8s);
  CHECK(crashes.kills() >= 10);
  CHECK(wait_until([&] { return !pair.served_by().empty(); }, 5s));
  CHECK(traffic.prober->longest_gap() < 4s);
  CHECK(pair.wait_for_one_holder(5s));
}

TEST_CASE("a third host that has the VIP too is noticed, counted, and does not keep the clients") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  Host thief = pair.net().host("thief", 66);
  const double before = counter(pair.lb1(), "vipward_vip_conflicts_total");
  thief.add_address(pair.vip());
  // It answers whoever asks, and says nothing by itself.
  CHECK(wait_until([&] { return counter(pair.lb1(), "vipward_vip_conflicts_total") > before; }, 5s));
  const double answering = counter(pair.lb1(), "vipward_vip_conflicts_total");
  // As hosts announce themselves when a link comes up (ip-sysctl, arp_notify).
  REQUIRE(thief.run({"sysctl", "-qw", "net.ipv4.conf.eth0.arp_notify=1"}).succeeded());
  REQUIRE(thief.run({"ip", "link", "set", "eth0", "down"}).succeeded());
  REQUIRE(thief.run({"ip", "link", "set", "eth0", "up"}).succeeded());
  CHECK(wait_until([&] { return counter(pair.lb1(), "vipward_vip_conflicts_total") > answering; }, 5s));
  CHECK(as_vipward(pair.lb1()).daemon().process().wait_for_line(thief.mac(), 2s));
  CHECK_MESSAGE(pair.wait_until_served_by(pair.lb1(), 5s), pair.client().neighbour(pair.vip()));
  CHECK(pair.is_only_holder(pair.lb1()));
}

}  // namespace
}  // namespace vipward::test
