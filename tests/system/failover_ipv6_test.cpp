// Two vipwards that speak VRRP over IPv6 and hold an address of each family: what clients of either see.
#include <doctest/doctest.h>
#include <signal.h>

#include "tests/support/http_client.h"
#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

const IpAddress kVip = *IpAddress::parse("fd77::100");

struct Ipv6Pair : EdgePair {
  Ipv6Pair() : EdgePair(Contender::Vipward) {
    const std::string peers = "[\"" + lb1().host().address_v6().to_string() + "\", \"" +
                              lb2().host().address_v6().to_string() + "\"]";
    for (EdgeHost* host : {&lb1(), &lb2()}) {
      VipwardEdge& vipward = as_vipward(*host);
      vipward.set_vip_key("addresses", "[\"" + kVip.to_string() + "/64\", " + vip().to_string() + "/24]");
      vipward.set_vip_key("peers", peers);
      vipward.set_vip_key("address_lifetime", "1s");
      vipward.set_service_key("listen", "\"vip:6443\"");
    }
  }
  // The IPv4 address by which the masters were reached for a new client of that address; empty: nobody serves
  // it.
  std::string server_of(const IpAddress& address) {
    return client().call([&]() -> std::string {
      HttpClient http({.address = SocketAddress(address, 6443), .limit = 500ms});
      if (http.send_bytes("\n") != ClientError::None) return "";
      return http.read_line(500ms).text;
    });
  }
  bool is_served_by(EdgeHost& host, const IpAddress& address) {
    const std::string own = host.host().address().to_string();
    return wait_until([&] { return server_of(address) == own; }, 10s);
  }
  std::unique_ptr<EstablishedClients> connect_to(const IpAddress& address) {
    const InsideNamespace here = client().enter();
    return std::make_unique<EstablishedClients>(
        EstablishedClients::Options{.target = SocketAddress(address, 6443)});
  }
};

TEST_CASE("a release resets clients of both families at once, and the other host serves both") {
  Ipv6Pair pair;
  pair.start(pair.lb1());
  const auto over_v6 = pair.connect_to(kVip);
  const auto over_v4 = pair.connect_to(pair.vip());
  const auto before = EstablishedClients::Clock::now();
  // The resets leave after the addresses have gone.
  REQUIRE(pair.lb1().release());
  CHECK(over_v6->wait_until_ended(5s));
  CHECK(over_v4->wait_until_ended(5s));
  CHECK_MESSAGE(over_v6->tally_since(before).all_reset(), to_string(over_v6->tally_since(before)),
                pair.logs());
  CHECK_MESSAGE(over_v4->tally_since(before).all_reset(), to_string(over_v4->tally_since(before)));
  CHECK(pair.is_served_by(pair.lb2(), kVip));
  CHECK(pair.is_served_by(pair.lb2(), pair.vip()));
  CHECK_FALSE(pair.lb1().host().has_address(kVip));
}

TEST_CASE("when nothing of the holder runs, both addresses go by themselves and the other host has them") {
  Ipv6Pair pair;
  pair.start(pair.lb1());
  pair.lb1().signal_everything(SIGKILL);
  CHECK(pair.is_served_by(pair.lb2(), kVip));
  CHECK(wait_until([&] { return !pair.lb1().host().has_address(kVip) && !pair.lb1().holds_vip(); }, 10s));
}

TEST_CASE("a reload closes no session of an IPv6 client") {
  Ipv6Pair pair;
  pair.start(pair.lb1());
  const auto clients = pair.connect_to(kVip);
  const auto before = EstablishedClients::Clock::now();
  const FrameTime since = FrameClock::now();
  for (int round = 0; round < 3; ++round) {
    const CommandResult reload = as_vipward(pair.lb1()).daemon().command({"reload"});
    CHECK_MESSAGE(reload.succeeded(), reload.standard_error, pair.logs());
  }
  CHECK(clients->ask_again(5s) == 20);
  const auto tally = clients->tally_since(before);
  CHECK_MESSAGE(tally.reset + tally.closed == 0, to_string(tally));
  CHECK(pair.sniffer().claims(since) == std::vector<std::string>{"lb1"});
}

}  // namespace
}  // namespace vipward::test
