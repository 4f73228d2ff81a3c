// What the other failover tests stand on, with HAProxy + keepalived alone: the rig sees a failover as it is.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE(
    "the rig sees keepalived move the VIP when the holder's cable is pulled, and one holder afterwards") {
  EdgePair pair(Contender::Keepalived);
  pair.start(pair.lb1());
  const auto [prober, clients] = pair.start_traffic();
  const FrameTime before = FrameClock::now();

  pair.lb1().host().pull_cable();
  REQUIRE_MESSAGE(pair.wait_until_served_by(pair.lb2(), 5s), pair.logs());
  CHECK(wait_until([&] { return prober->answers()["10.77.0.22"] >= 10; }, 5s));
  CHECK(prober->answers()["10.77.0.21"] >= 100);
  CHECK(prober->longest_gap() > 100ms);
  CHECK(prober->longest_gap() < 2s);
  // HAProxy cannot tell them.
  CHECK(clients->tally_since({}).hanging == 25);
  const auto claims = pair.sniffer().claims(before);
  REQUIRE_FALSE(claims.empty());
  CHECK(claims.back() == "lb2");
  CHECK(pair.client().neighbour(pair.vip()) == pair.lb2().host().mac());
  const auto arps = pair.sniffer().arps(before);
  const auto is_announcement = [&](const ArpFrame& frame) {
    return frame.host == "lb2" && frame.is_gratuitous() && frame.sender == pair.vip();
  };
  CHECK(std::ranges::count_if(arps, is_announcement) >= 5);

  pair.lb1().host().plug_cable();
  CHECK_MESSAGE(pair.wait_for_one_holder(5s), pair.holders_text());
  for (const AdvertisementFrame& frame : pair.sniffer().advertisements()) {
    CHECK(frame.version == 3);
    CHECK(frame.ttl == 255);
    CHECK(frame.vrid == 100);
    CHECK((frame.priority == 100 || frame.is_release()));
  }
}

TEST_CASE("the rig drops adverts in one direction, and sees a release and a host without its peer") {
  EdgePair pair(Contender::Keepalived);
  pair.start(pair.lb2());
  // lb1 hears nothing any more and takes the VIP too; lb2 hears it, but has the higher address.
  pair.lb2().host().drop_protocol(112);
  CHECK(wait_until([&] { return pair.holders() == 2; }, 5s));
  pair.lb2().host().stop_dropping();
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 5s), pair.holders_text());

  const FrameTime before = FrameClock::now();
  pair.lb2().signal_keeper(SIGTERM);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 5s), pair.holders_text());
  const auto adverts = pair.sniffer().advertisements(before);
  CHECK(std::ranges::any_of(adverts,
                            [&](const auto& frame) { return frame.host == "lb2" && frame.is_release(); }));

  pair.lb1().host().isolate();
  CHECK(pair.served_by().empty());
  CHECK(pair.lb1().holds_vip());
  pair.lb1().host().rejoin();
  CHECK(pair.wait_until_served_by(pair.lb1(), 5s));

  pair.lb1().host().remove_address(pair.vip());
  CHECK(wait_until([&] { return pair.lb1().holds_vip(); }, 5s));
}

}  // namespace
}  // namespace vipward::test
