// Two virtual routers on one segment: ours does not mind the other one, whichever version of VRRP that
// speaks.
#include <doctest/doctest.h>

#include "tests/support/sniffer.h"
#include "tests/support/wait.h"
#include "tests/system/vrrp_router.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Far more than any of it takes: a test of behaviour, not of speed.
constexpr Millis kLimit = 20s;
constexpr unsigned kForeignVrid = 101;

// Two routers of one instance.
struct Pair {
  Pair(RouterKind kind, const Host& one, const Host& other, const Speech& speech)
      : strong_router(VrrpRouter::make(kind, {one, {one, other}, speech, 150})),
        weak_router(VrrpRouter::make(kind, {other, {one, other}, speech, 100})) {}

  bool is_held_by(const VrrpRouter& holder) const {
    const VrrpRouter& second = &holder == &strong ? weak : strong;
    return holder.holds_all() && !second.holds_any();
  }
  std::string logs() const { return "\n--- strong:\n" + strong.log() + "--- weak:\n" + weak.log(); }

  std::unique_ptr<VrrpRouter> strong_router;
  std::unique_ptr<VrrpRouter> weak_router;
  VrrpRouter& strong = *strong_router;
  VrrpRouter& weak = *weak_router;
};

bool is_in(const VrrpRouter& router, const char* state) {
  return router.metric("vipward_vip_state", {{"state", state}}) == 1;
}

double transitions(const VrrpRouter& router) {
  return router.metric("vipward_vip_transitions_total").value_or(-1);
}

double rejected(const VrrpRouter& router, const char* reason) {
  return router.metric("vipward_vrrp_packets_rejected_total", {{"reason", reason}}).value_or(-1);
}

// The foreign instance starts, changes its holder and gets it back, all of it beside ours.
void check_indifference(const Speech& ours, RouterKind kind, const Speech& theirs) {
  CAPTURE(ours.to_string());
  CAPTURE(theirs.to_string());
  Network net;
  const Host lb1 = net.host("lb1", 21);
  const Host lb2 = net.host("lb2", 22);
  const Host other1 = net.host("other1", 31);
  const Host other2 = net.host("other2", 32);
  const Sniffer sniffer(net);
  Pair own(RouterKind::Vipward, lb1, lb2, ours);
  own.strong.start();
  REQUIRE_MESSAGE(wait_until([&] { return own.strong.holds_all(); }, kLimit), own.logs());
  own.weak.start();
  REQUIRE_MESSAGE(wait_until([&] { return is_in(own.weak, "backup"); }, kLimit), own.logs());
  REQUIRE_MESSAGE(own.is_held_by(own.strong), own.logs());
  const double before_strong = transitions(own.strong);
  const double before_weak = transitions(own.weak);

  Pair foreign(kind, other1, other2, theirs);
  foreign.strong.start();
  foreign.weak.start();
  const auto await_holder = [&](const VrrpRouter& holder) {
    REQUIRE_MESSAGE(wait_until([&] { return foreign.is_held_by(holder); }, kLimit), foreign.logs());
    const FrameTime since = FrameClock::now();
    REQUIRE(wait_until([&] { return sniffer.advertisements_of(holder.host(), since).size() >= 3; }, kLimit));
    CHECK_MESSAGE(own.is_held_by(own.strong), own.logs());
  };
  await_holder(foreign.strong);
  REQUIRE(foreign.strong.stop());
  await_holder(foreign.weak);
  foreign.strong.start();
  await_holder(foreign.strong);

  for (const VrrpRouter* router : {&own.strong, &own.weak}) {
    CAPTURE(router->log());
    // A group address of the same family is heard, and what is heard is counted.
    const bool is_heard = theirs.is_multicast && ours.is_over_ipv6() == theirs.is_over_ipv6();
    if (is_heard) CHECK(wait_until([&] { return rejected(*router, "vrid") >= 3; }, kLimit));
    for (const char* reason : {"address_family", "length", "ttl", "version", "type", "count", "interval",
                               "checksum", "unknown_peer", "auth_type", "password"}) {
      CAPTURE(reason);
      CHECK(rejected(*router, reason) == 0);
    }
    CHECK(router->metric("vipward_vip_contested") == 0);
    CHECK(router->metric("vipward_vip_conflicts_total") == 0);
    CHECK(router->count_log_lines("VRRP packet refused|another holder|other addresses") == 0);
  }
  CHECK_MESSAGE(transitions(own.strong) == before_strong, own.strong.log());
  CHECK_MESSAGE(transitions(own.weak) == before_weak, own.weak.log());
  CHECK(is_in(own.strong, "active"));
  CHECK(is_in(own.weak, "backup"));
  if (kind == RouterKind::Vipward) {
    for (const VrrpRouter* router : {&foreign.strong, &foreign.weak}) {
      CHECK_MESSAGE(router->count_log_lines("VRRP packet refused|another holder|other addresses") == 0,
                    router->log());
    }
  }
}

TEST_CASE("another virtual router on the segment changes nothing, is counted, and is not worth a word") {
  SUBCASE("both over multicast") {
    check_indifference({.is_multicast = true}, RouterKind::Vipward,
                       {.is_multicast = true, .vrid = kForeignVrid});
  }
  SUBCASE("both over multicast of IPv6") {
    check_indifference({.is_multicast = true, .addressing = Addressing::Ipv6}, RouterKind::Vipward,
                       {.is_multicast = true, .addressing = Addressing::Ipv6, .vrid = kForeignVrid});
  }
  SUBCASE("unicast beside multicast") {
    check_indifference({.is_multicast = false}, RouterKind::Keepalived,
                       {.is_multicast = true, .vrid = kForeignVrid});
  }
}

TEST_CASE("another virtual router of the other version is nobody's business either") {
  SUBCASE("version 2 beside version 3") {
    check_indifference({.is_multicast = true}, RouterKind::Vipward,
                       {.version = 2, .is_multicast = true, .vrid = kForeignVrid});
  }
  SUBCASE("version 2 with a password beside version 3 over unicast") {
    check_indifference({.is_multicast = false}, RouterKind::Keepalived,
                       {.version = 2, .password = kV2Password, .is_multicast = true, .vrid = kForeignVrid});
  }
  SUBCASE("version 3 beside version 2") {
    check_indifference({.version = 2, .password = kV2Password, .is_multicast = true}, RouterKind::Keepalived,
                       {.version = 3, .is_multicast = true, .vrid = kForeignVrid});
  }
}

}  // namespace
}  // namespace vipward::test
