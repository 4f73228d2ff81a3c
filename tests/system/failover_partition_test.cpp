// Two hosts with vipward that cannot hear each other for a while, both ways or one way.
#include <doctest/doctest.h>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kVrrp = 112;

double conflicts(EdgeHost& host) {
  return as_vipward(host).conflicts().value_or(0);
}

TEST_CASE(
    "a bridge that was cut and heals leaves one holder, and the client's neighbour cache points at it") {
  EdgePair pair(Contender::Vipward);
  EdgeHost* holder = nullptr;
  SUBCASE("the holder was cut off and has the lower address") {
    holder = &pair.lb1();
  }
  SUBCASE("the holder was cut off and has the higher address") {
    holder = &pair.lb2();
  }
  pair.start(*holder);
  EdgeHost& taker = pair.other(*holder);
  holder->host().isolate();
  REQUIRE_MESSAGE(pair.wait_until_served_by(taker, 3s), pair.holders_text());
  CHECK(pair.holders() == 2);

  holder->host().rejoin();
  CHECK_MESSAGE(pair.wait_for_one_holder(2s), pair.holders_text());
  // By address, whoever it was before (RFC 9568, section 6.4.3).
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 2s), pair.holders_text());
  CHECK(wait_until([&] { return pair.client().neighbour(pair.vip()) == pair.lb2().host().mac(); }, 2s));
  CHECK(pair.wait_until_served_by(pair.lb2(), 2s));
  CHECK(conflicts(pair.lb1()) + conflicts(pair.lb2()) > 0);
}

TEST_CASE(
    "a holder whose adverts are lost on the way notices the second one, and one is left when they pass "
    "again") {
  EdgePair pair(Contender::Vipward);
  // With the higher address, it does not give way to the one that it hears.
  pair.start(pair.lb2());
  const double before = conflicts(pair.lb2());
  pair.lb2().host().drop_protocol(kVrrp);
  CHECK(wait_until([&] { return pair.lb1().holds_vip(); }, 3s));
  CHECK(wait_until([&] { return conflicts(pair.lb2()) > before; }, 3s));
  CHECK(pair.lb2().holds_vip());

  pair.lb2().host().stop_dropping();
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 2s), pair.holders_text());
  CHECK(wait_until([&] { return pair.client().neighbour(pair.vip()) == pair.lb2().host().mac(); }, 2s));
  CHECK(pair.wait_until_served_by(pair.lb2(), 2s));
}

TEST_CASE("a holder with the lower address whose adverts are lost gives way without a release") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const FrameTime before = FrameClock::now();
  pair.lb1().host().drop_protocol(kVrrp);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 3s), pair.holders_text());
  const auto frames = pair.sniffer().advertisements_of(pair.lb1().host(), before);
  REQUIRE_FALSE(frames.empty());
  for (const AdvertisementFrame& frame : frames) {
    CHECK_FALSE(frame.is_release());
  }
  pair.lb1().host().stop_dropping();
  CHECK(pair.wait_until_served_by(pair.lb2(), 2s));
  CHECK_MESSAGE(pair.is_only_holder(pair.lb2()), pair.holders_text());
}

}  // namespace
}  // namespace vipward::test
