// Two hosts with vipward: the VIP given up on purpose, and processes that die. Times are measured by
// perf/failover; here they are judged only when they are beyond a second.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

double restarts(EdgeHost& host) {
  return as_vipward(host).daemon().metrics().value("vipward_proxy_restarts_total").value_or(0);
}

bool has_released(const EdgePair& pair, EdgeHost& host, FrameTime since) {
  return std::ranges::any_of(pair.sniffer().advertisements_of(host.host(), since),
                             &AdvertisementFrame::is_release);
}

TEST_CASE("the first of two equal hosts takes the VIP, and the second one leaves it there") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  CHECK(pair.sniffer().claims() == std::vector<std::string>{"lb1"});
  for (const AdvertisementFrame& frame : pair.sniffer().advertisements()) {
    CHECK(frame.version == 3);
    CHECK(frame.ttl == 255);
    CHECK(frame.vrid == 100);
    CHECK(frame.priority == 100);
    CHECK(frame.destination == pair.lb2().host().address());
  }
  CHECK(pair.client().neighbour(pair.vip()) == pair.lb1().host().mac());
  CHECK(as_vipward(pair.lb1()).daemon().status().at("vip").at("state") == "active");
  CHECK(as_vipward(pair.lb2()).daemon().status().at("vip").at("state") == "backup");
}

TEST_CASE("release resets every client, says who took over, and resume makes the host a candidate again") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();

  Daemon& daemon = as_vipward(pair.lb1()).daemon();
  const CommandResult released = daemon.command({"release"});
  CHECK_MESSAGE(released.exit_code == 0, released.standard_error);
  CHECK_MESSAGE(contains(released.standard_output, "10.77.0.22"), released.standard_output);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 2s), pair.holders_text());
  CHECK(pair.wait_until_served_by(pair.lb2(), 2s));
  CHECK(traffic.clients->wait_until_ended(2s));
  CHECK(traffic.clients->tally_since({}).all_reset());
  CHECK(traffic.prober->longest_gap() < 1s);
  CHECK(wait_until([&] { return has_released(pair, pair.lb1(), before); }, 3s));
  CHECK(pair.client().neighbour(pair.vip()) == pair.lb2().host().mac());

  const CommandResult resumed = daemon.command({"resume"});
  CHECK_MESSAGE(resumed.exit_code == 0, resumed.standard_error);
  CHECK(resumed.standard_output == "this host is a candidate again\n");
  as_vipward(pair.lb2()).daemon().process().signal(SIGTERM);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 2s), pair.holders_text());
  // At once, as a candidate does, not after a silence.
  CHECK(daemon.process().wait_for_line("to=active cause=priority_zero", 2s));
}

TEST_CASE("a release without anybody to take over fails, and the host takes the VIP back") {
  EdgePair pair(Contender::Vipward);
  pair.start_alone(pair.lb1());
  const FrameTime before = FrameClock::now();
  const CommandResult released = as_vipward(pair.lb1()).daemon().command({"release"});
  CHECK(released.exit_code == 1);
  CHECK_MESSAGE(contains(released.standard_error, "nobody took over within "), released.standard_error);
  CHECK_MESSAGE(contains(released.standard_error, ", this host has taken the address back\n"),
                released.standard_error);
  CHECK(wait_until([&] { return has_released(pair, pair.lb1(), before); }, 3s));
  CHECK_MESSAGE(pair.wait_until_served_by(pair.lb1(), 5s), pair.holders_text());
}

TEST_CASE("SIGTERM hands the VIP to the peer, resets every client and ends with exit code 0") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();

  Process& process = as_vipward(pair.lb1()).daemon().process();
  process.signal(SIGTERM);
  CHECK(process.wait(5s) == 0);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 2s), pair.holders_text());
  CHECK(pair.wait_until_served_by(pair.lb2(), 2s));
  CHECK(traffic.clients->wait_until_ended(2s));
  CHECK(traffic.clients->tally_since({}).all_reset());
  CHECK(traffic.prober->longest_gap() < 1s);
  CHECK(wait_until([&] { return has_released(pair, pair.lb1(), before); }, 3s));
}

TEST_CASE("a killed proxy is started again where it is: clients are reset, the VIP stays") {
  bool with_peer = false;
  SUBCASE("with a peer") {
    with_peer = true;
  }
  SUBCASE("without a peer") {}
  EdgePair pair(Contender::Vipward);
  if (with_peer) {
    pair.start(pair.lb1());
  } else {
    pair.start_alone(pair.lb1());
  }
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();
  const std::vector<pid_t> killed = pair.lb1().proxy_pids();
  REQUIRE(killed.size() == 1);

  pair.lb1().signal_proxy(SIGKILL);
  CHECK(traffic.clients->wait_until_ended(2s));
  CHECK(traffic.clients->tally_since({}).all_reset());
  CHECK(pair.wait_until_served_by(pair.lb1(), 5s));
  CHECK(traffic.prober->longest_gap() < 1s);
  CHECK(pair.is_only_holder(pair.lb1()));
  CHECK(wait_until([&] { return pair.lb1().is_ready(); }, 5s));
  CHECK(restarts(pair.lb1()) == 1);
  CHECK(pair.lb1().proxy_pids() != killed);
  // The next one comes within an interval.
  CHECK(wait_until([&] { return !pair.sniffer().claims(before).empty(); }, 2s));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
  CHECK_FALSE(has_released(pair, pair.lb1(), before));
}

TEST_CASE("a proxy that stands still is noticed and replaced, and its clients are reset") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const std::vector<pid_t> stopped = pair.lb1().proxy_pids();
  pair.lb1().signal_proxy(SIGSTOP);
  CHECK(traffic.clients->wait_until_ended(5s));
  CHECK(traffic.clients->tally_since({}).all_reset());
  CHECK(wait_until([&] { return !pair.served_by().empty(); }, 5s));
  CHECK(traffic.prober->longest_gap() < 2s);
  CHECK(std::ranges::all_of(stopped, is_process_gone));
  CHECK(pair.wait_for_one_holder(2s));
}

TEST_CASE("without its guardian a proxy resets its clients and exits, and the peer takes over") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const std::vector<pid_t> proxies = pair.lb1().proxy_pids();
  REQUIRE_FALSE(proxies.empty());

  pair.lb1().signal_keeper(SIGKILL);
  CHECK(wait_until([&] { return std::ranges::all_of(proxies, is_process_gone); }, 2s));
  CHECK(traffic.clients->wait_until_ended(2s));
  CHECK(traffic.clients->tally_since({}).all_reset());
  CHECK(pair.wait_until_served_by(pair.lb2(), 3s));
  CHECK(traffic.prober->longest_gap() < 1500ms);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 3s), pair.holders_text());
}

TEST_CASE("a host that lost both processes loses the VIP as well, and takes no client back") {
  EdgePair pair(Contender::Vipward);
  // The quicker one to answer ARP: with the VIP left on it, it would win.
  pair.start(pair.lb2());
  const EdgePair::Traffic traffic = pair.start_traffic();
  pair.lb2().signal_everything(SIGKILL);
  CHECK(pair.wait_until_served_by(pair.lb1(), 3s));
  CHECK(traffic.prober->longest_gap() < 1500ms);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 5s), pair.holders_text());
  for (int i = 0; i < 4; ++i) {
    pair.client().forget_neighbour(pair.vip());
    CHECK(pair.served_by() == pair.lb1().host().address().to_string());
  }
}

TEST_CASE("a host that was killed and starts again leaves the VIP where it is") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb2());
  pair.lb2().signal_everything(SIGKILL);
  REQUIRE(pair.wait_until_served_by(pair.lb1(), 3s));
  const FrameTime before = FrameClock::now();
  pair.lb2().start();
  CHECK(wait_until([&] { return pair.lb2().is_ready(); }, 10s));
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 3s), pair.holders_text());
  // The next one comes within an interval.
  CHECK(wait_until([&] { return !pair.sniffer().claims(before).empty(); }, 2s));
  CHECK(pair.sniffer().claims(before) == std::vector<std::string>{"lb1"});
}

}  // namespace
}  // namespace vipward::test
