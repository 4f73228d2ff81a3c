// That traffic notices what a relay does to it: every fault is found, and nothing else.
#include "tests/support/traffic.h"

#include <doctest/doctest.h>

#include "tests/component/support/faulty_relay.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Kind = RelayFault::Kind;

// One bulk session through a relay with this fault, until it has happened and been noticed.
TrafficClients::Tally tally_after(const RelayFault& fault, TrafficBackend& backend) {
  const FaultyRelay relay(backend.address(), fault);
  const TrafficClients clients({.target = relay.address(), .bulk = 1});
  REQUIRE(wait_until([&] { return relay.has_failed(); }, 20s));
  wait_until([&] { return clients.tally().ended() > 0; }, 20s);
  return clients.tally();
}

// Well after the session is known to be served.
constexpr std::uint64_t kLate = std::uint64_t{32} * 1024 * 1024;

TEST_CASE("a byte that is dropped, doubled or swapped on its way to the client is found there") {
  for (const Kind kind : {Kind::Drop, Kind::Double, Kind::Swap}) {
    TrafficBackend backend(*SocketAddress::parse("127.0.0.1:0"));
    CHECK(tally_after({.kind = kind, .to_backend = false, .at_byte = kLate}, backend).corrupt == 1);
  }
}

TEST_CASE("a byte that is dropped, doubled or swapped on its way to the backend is found there") {
  for (const Kind kind : {Kind::Drop, Kind::Double, Kind::Swap}) {
    TrafficBackend backend(*SocketAddress::parse("127.0.0.1:0"));
    tally_after({.kind = kind, .to_backend = true, .at_byte = kLate}, backend);
    CHECK(backend.corrupt() == 1);
  }
}

TEST_CASE("a reset and an end in order are told apart") {
  TrafficBackend backend(*SocketAddress::parse("127.0.0.1:0"));
  CHECK(tally_after({.kind = Kind::Reset, .at_byte = kLate}, backend).reset == 1);
  const auto closed = tally_after({.kind = Kind::Close, .at_byte = kLate}, backend);
  // What the client still sends is answered with a reset, if that comes first.
  CHECK(closed.closed + closed.reset == 1);
}

TEST_CASE("a direction that stands still is a stall for as long, and one that hangs is stuck") {
  TrafficBackend backend(*SocketAddress::parse("127.0.0.1:0"));
  const FaultyRelay slow(backend.address(),
                         RelayFault{.kind = Kind::Stall, .at_byte = kLate, .pause = 300ms});
  TrafficClients stalled({.target = slow.address(), .bulk = 1});
  REQUIRE(wait_until([&] { return slow.has_failed(); }, 20s));
  CHECK(stalled.count_stuck(20s) == 0);
  CHECK(wait_until([&] { return stalled.take_longest_stall() >= 250ms; }, 20s));

  const FaultyRelay dead(backend.address(), RelayFault{.kind = Kind::Hang, .at_byte = kLate});
  TrafficClients hanging({.target = dead.address(), .bulk = 1});
  REQUIRE(wait_until([&] { return dead.has_failed(); }, 20s));
  CHECK(wait_until([&] { return hanging.count_stuck(300ms) == 1; }, 20s));
}

TEST_CASE("through a relay that does its work every kind is served, and the silent ones when they speak") {
  TrafficBackend backend(*SocketAddress::parse("127.0.0.1:0"));
  const FaultyRelay relay(backend.address(), std::nullopt);
  TrafficClients clients({.target = relay.address(), .bulk = 2, .request = 5, .idle = 5, .silent = 5});
  clients.speak_up();
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().alive == 17);
  CHECK(clients.tally().ended() == 0);
  CHECK(backend.corrupt() == 0);
}

}  // namespace
}  // namespace vipward::test
