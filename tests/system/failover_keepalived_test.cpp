// vipward on lb1 and keepalived on lb2, over VRRPv3 unicast, in both roles: what an operator has who replaces
// one host at a time.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kMixed = std::pair{Contender::Vipward, Contender::Keepalived};

bool has_released(const EdgePair& pair, EdgeHost& host, FrameTime since) {
  return std::ranges::any_of(pair.sniffer().advertisements_of(host.host(), since),
                             &AdvertisementFrame::is_release);
}

// Starts `lower` alone, then `higher`, which has more priority, and waits until that is there as a backup.
void start_in_the_wrong_order(EdgeHost& lower, EdgeHost& higher, EdgePair& pair, bool takes_back) {
  lower.settings().priority = 100;
  higher.settings().priority = 150;
  higher.settings().takes_back = takes_back;
  pair.start_alone(lower);
  higher.start();
  REQUIRE_MESSAGE(wait_until([&] { return higher.is_ready(); }, 15s), pair.logs());
}

TEST_CASE("the one with more priority becomes active when vipward and keepalived start together") {
  EdgePair pair(kMixed.first, kMixed.second);
  EdgeHost* stronger = nullptr;
  SUBCASE("vipward") {
    stronger = &pair.lb1();
  }
  SUBCASE("keepalived") {
    stronger = &pair.lb2();
  }
  stronger->settings().priority = 150;
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) {
    host->settings().takes_back = true;
    host->start();
  }
  CHECK_MESSAGE(pair.wait_until_served_by(*stronger, 15s), pair.logs());
  CHECK_MESSAGE(pair.wait_for_holder(*stronger, 5s), pair.holders_text());
}

TEST_CASE("vipward takes over from keepalived when that releases, and when it is cut off") {
  EdgePair pair(kMixed.first, kMixed.second);
  pair.start(pair.lb2());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();
  SUBCASE("a release") {
    pair.lb2().signal_keeper(SIGTERM);
    CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 3s), pair.holders_text());
    CHECK(wait_until([&] { return has_released(pair, pair.lb2(), before); }, 3s));
  }
  SUBCASE("a pulled cable") {
    pair.lb2().host().pull_cable();
  }
  CHECK_MESSAGE(pair.wait_until_served_by(pair.lb1(), 3s), pair.logs());
  CHECK(traffic.prober->longest_gap() < 1500ms);
  CHECK(pair.client().neighbour(pair.vip()) == pair.lb1().host().mac());
}

TEST_CASE("keepalived takes over from vipward when that releases, ends, or is killed") {
  EdgePair pair(kMixed.first, kMixed.second);
  pair.start(pair.lb1());
  const EdgePair::Traffic traffic = pair.start_traffic();
  const FrameTime before = FrameClock::now();
  SUBCASE("the release command") {
    const CommandResult released = as_vipward(pair.lb1()).daemon().command({"release"});
    CHECK_MESSAGE(released.exit_code == 0, released.standard_error);
    CHECK(wait_until([&] { return has_released(pair, pair.lb1(), before); }, 3s));
    CHECK(traffic.clients->wait_until_ended(2s));
    CHECK(traffic.clients->tally_since({}).all_reset());
  }
  SUBCASE("SIGTERM") {
    pair.lb1().signal_keeper(SIGTERM);
    CHECK(wait_until([&] { return has_released(pair, pair.lb1(), before); }, 3s));
  }
  SUBCASE("kill -9 of both processes") {
    pair.lb1().signal_everything(SIGKILL);
  }
  CHECK_MESSAGE(pair.wait_until_served_by(pair.lb2(), 3s), pair.logs());
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 5s), pair.holders_text());
  CHECK(traffic.prober->longest_gap() < 1500ms);
}

TEST_CASE("with failback: immediately the one with more priority takes the VIP from the other") {
  EdgePair pair(kMixed.first, kMixed.second);
  SUBCASE("vipward from keepalived") {
    start_in_the_wrong_order(pair.lb2(), pair.lb1(), pair, true);
    CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 5s), pair.logs());
    CHECK(pair.wait_until_served_by(pair.lb1(), 3s));
  }
  SUBCASE("keepalived from vipward, which gives way without a release") {
    const FrameTime before = FrameClock::now();
    start_in_the_wrong_order(pair.lb1(), pair.lb2(), pair, true);
    CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 5s), pair.logs());
    CHECK(pair.wait_until_served_by(pair.lb2(), 3s));
    CHECK_FALSE(has_released(pair, pair.lb1(), before));
  }
}

TEST_CASE("with failback: never the VIP stays with the one that has less priority") {
  EdgePair pair(kMixed.first, kMixed.second);
  EdgeHost* lower = nullptr;
  SUBCASE("vipward comes back") {
    lower = &pair.lb2();
  }
  SUBCASE("keepalived comes back") {
    lower = &pair.lb1();
  }
  start_in_the_wrong_order(*lower, pair.other(*lower), pair, false);
  const FrameTime ready = FrameClock::now();
  CHECK(wait_until([&] { return pair.sniffer().advertisements_of(lower->host(), ready).size() >= 20; }, 10s));
  CHECK_MESSAGE(pair.is_only_holder(*lower), pair.holders_text());
  CHECK(pair.sniffer().advertisements_of(pair.other(*lower).host()).empty());
}

}  // namespace
}  // namespace vipward::test
