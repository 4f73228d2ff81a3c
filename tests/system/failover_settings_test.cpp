// Two hosts with vipward and what the `vip:` section can say besides its addresses and peers: that each
// setting does on the wire and in the log what the documentation promises.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <cstring>
#include <system_error>

#include "lb/vip/packet.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSecondVip = "10.77.0.101";

void set_on_both(EdgePair& pair, const std::string& key, const std::string& value) {
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) as_vipward(*host).set_vip_key(key, value);
}

Process& process_of(EdgeHost& host) {
  return as_vipward(host).daemon().process();
}

double rejected(EdgeHost& host, const std::string& reason) {
  return as_vipward(host)
      .daemon()
      .metrics()
      .value("vipward_vrrp_packets_rejected_total", {{"reason", reason}})
      .value_or(0);
}

double contested(EdgeHost& host) {
  return as_vipward(host).daemon().metrics().value("vipward_vip_contested").value_or(-1);
}

// The own address of the host that answers there; empty: none does.
std::string answer_from(const Host& client, const std::string& address) {
  return client.call([&]() -> std::string {
    HttpClient http({.address = SocketAddress(*IpAddress::parse(address), 6443), .limit = 500ms});
    if (http.send_bytes("\n") != ClientError::None) return "";
    return http.read_line(500ms).text;
  });
}

// A well-formed advertisement of our virtual router, from a host that has no business with it.
void advertise_from(const Host& stranger, const EdgePair& pair, const Host& target, int ttl) {
  const std::vector<std::uint8_t> message =
      encode({.priority = 200, .interval = 100ms, .addresses = {pair.vip()}}, {.vrid = 100},
             stranger.address(), target.address());
  stranger.call([&] {
    const Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, kVrrpProtocol));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, target.address().bytes().data(), sizeof to.sin_addr);
    if (!socket || setsockopt(socket.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) != 0 ||
        sendto(socket.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to),
               sizeof to) < 0) {
      throw std::system_error(errno, std::generic_category(), "cannot send a VRRP packet");
    }
  });
}

TEST_CASE("a service on vip:PORT is served at every address, which one host holds and which move together") {
  EdgePair pair(Contender::Vipward);
  set_on_both(pair, "addresses", "[10.77.0.100/24, 10.77.0.101/24]");
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) {
    as_vipward(*host).set_service_key("listen", "\"vip:6443\"");
  }
  const IpAddress second = *IpAddress::parse(kSecondVip);
  const auto holds_both_alone = [&](EdgeHost& one) {
    return pair.is_only_holder(one) && one.host().has_address(second) &&
           !pair.other(one).host().has_address(second);
  };
  pair.start(pair.lb1());
  CHECK(holds_both_alone(pair.lb1()));
  const std::string first_host = pair.lb1().host().address().to_string();
  CHECK(pair.served_by() == first_host);
  CHECK(answer_from(pair.client(), kSecondVip) == first_host);

  const CommandResult released = as_vipward(pair.lb1()).daemon().command({"release"});
  CHECK_MESSAGE(released.exit_code == 0, released.standard_error);
  CHECK_MESSAGE(wait_until([&] { return holds_both_alone(pair.lb2()); }, 5s), pair.logs());
  CHECK(pair.wait_until_served_by(pair.lb2(), 5s));
  CHECK(wait_until(
      [&] { return answer_from(pair.client(), kSecondVip) == pair.lb2().host().address().to_string(); }, 5s));
  CHECK(pair.client().neighbour(second) == pair.lb2().host().mac());
}

TEST_CASE("a lone host claims nothing before its startup_delay is over, and the VIP afterwards") {
  EdgePair pair(Contender::Vipward);
  as_vipward(pair.lb1()).set_vip_key("startup_delay", "2s");
  const FrameTime before = FrameClock::now();
  pair.start_alone(pair.lb1());
  const auto adverts = pair.sniffer().advertisements_of(pair.lb1().host(), before);
  const auto arps = pair.sniffer().claims_of(pair.lb1().host(), pair.vip(), before);
  REQUIRE_FALSE(adverts.empty());
  REQUIRE_FALSE(arps.empty());
  CHECK(adverts.front().time - before >= 1900ms);
  CHECK(arps.front().time - before >= 1900ms);
  // Not far behind either: a start of the process and three intervals.
  CHECK(adverts.front().time - before < 10s);
}

TEST_CASE("a tracked interface that goes down on the holder moves the VIP, and is named as the reason") {
  EdgePair pair(Contender::Vipward);
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) {
    // A cable of its own: an interface without a carrier would be a fault already.
    REQUIRE(host->host()
                .run({"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "uplink-end"})
                .succeeded());
    for (const char* end : {"uplink", "uplink-end"}) {
      REQUIRE(host->host().run({"ip", "link", "set", end, "up"}).succeeded());
    }
  }
  set_on_both(pair, "track_interfaces", "[uplink]");
  pair.start(pair.lb1());
  REQUIRE(pair.lb1().host().run({"ip", "link", "set", "uplink", "down"}).succeeded());
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 5s), pair.logs());
  CHECK(pair.wait_until_served_by(pair.lb2(), 5s));
  CHECK_MESSAGE(process_of(pair.lb1()).wait_for_line("vip state changed .*tracked interface uplink", 2s),
                pair.logs());
  const std::string status = as_vipward(pair.lb1()).daemon().status().at("vip").dump();
  CHECK_MESSAGE(status.find("tracked interface uplink") != std::string::npos, status);

  // Back as a candidate, which takes nothing from the peer.
  REQUIRE(pair.lb1().host().run({"ip", "link", "set", "uplink", "up"}).succeeded());
  CHECK(wait_until([&] { return pair.lb1().is_ready(); }, 10s));
  CHECK_MESSAGE(pair.is_only_holder(pair.lb2()), pair.holders_text());
}

TEST_CASE("release --for ends by itself, and leaves the VIP with the peer") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const CommandResult released = as_vipward(pair.lb1()).daemon().command({"release", "--for", "2s"});
  CHECK_MESSAGE(released.exit_code == 0, released.standard_error);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 2s), pair.holders_text());
  CHECK_MESSAGE(process_of(pair.lb1()).wait_for_line("released no longer .*time", 10s), pair.lb1().log());
  const FrameTime over = FrameClock::now();
  CHECK(
      wait_until([&] { return pair.sniffer().advertisements_of(pair.lb2().host(), over).size() >= 10; }, 5s));
  CHECK(pair.sniffer().claims(over) == std::vector<std::string>{"lb2"});
  CHECK_MESSAGE(pair.is_only_holder(pair.lb2()), pair.holders_text());

  process_of(pair.lb2()).signal(SIGTERM);
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 5s), pair.holders_text());
  // At once, as a candidate does.
  CHECK(process_of(pair.lb1()).wait_for_line("to=active cause=priority_zero", 2s));
}

TEST_CASE(
    "on_no_backend: release moves the VIP to the host that reaches a backend, and keeps it with one of "
    "two that reach none") {
  EdgePair pair(Contender::Vipward);
  set_on_both(pair, "on_no_backend", "release");
  pair.start(pair.lb1());
  const auto lose_backends = [](EdgeHost& host) {
    for (const SocketAddress& backend : host.settings().backends) host.host().drop_packets_to(backend);
  };
  lose_backends(pair.lb1());
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb2(), 15s), pair.logs());
  CHECK_MESSAGE(
      process_of(pair.lb1()).wait_for_line("vip state changed .*a service has no living backend", 2s),
      pair.lb1().log());
  CHECK(pair.wait_until_served_by(pair.lb2(), 5s));

  lose_backends(pair.lb2());
  CHECK_MESSAGE(process_of(pair.lb2()).wait_for_line("a service has no living backend", 15s),
                pair.lb2().log());
  // Equally badly off: one of them claims it, as a last resort.
  const FrameTime both_without = FrameClock::now();
  CHECK_MESSAGE(wait_until([&] { return !pair.sniffer().claims(both_without).empty(); }, 5s), pair.logs());
  CHECK_MESSAGE(pair.wait_for_one_holder(5s), pair.logs());

  pair.lb1().host().stop_dropping();
  CHECK_MESSAGE(pair.wait_until_served_by(pair.lb1(), 15s), pair.logs());
  CHECK_MESSAGE(pair.wait_for_holder(pair.lb1(), 5s), pair.holders_text());
}

TEST_CASE("a VRRP packet that was routed is counted and refused, one of a stranger makes the VIP contested") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  const FrameTime before = FrameClock::now();
  advertise_from(pair.client(), pair, pair.lb1().host(), 254);
  CHECK_MESSAGE(wait_until([&] { return rejected(pair.lb1(), "ttl") == 1; }, 5s), pair.lb1().log());
  CHECK(process_of(pair.lb1()).wait_for_line("VRRP packet refused .*source=10.77.0.50 .*reason=ttl", 2s));
  CHECK(rejected(pair.lb1(), "unknown_peer") == 0);
  CHECK(contested(pair.lb1()) == 0);

  advertise_from(pair.client(), pair, pair.lb1().host(), kVrrpTtl);
  CHECK_MESSAGE(wait_until([&] { return rejected(pair.lb1(), "unknown_peer") == 1; }, 5s), pair.lb1().log());
  CHECK(wait_until([&] { return contested(pair.lb1()) == 1; }, 5s));
  CHECK(process_of(pair.lb1()).wait_for_line("VRRP advertisement of 10.77.0.50", 2s));
  CHECK(contested(pair.lb2()) == 0);
  // Its higher priority counts for nothing.
  CHECK(wait_until([&] { return pair.sniffer().advertisements_of(pair.lb1().host(), before).size() >= 10; },
                   5s));
  CHECK_MESSAGE(pair.is_only_holder(pair.lb1()), pair.holders_text());
  CHECK(pair.served_by() == pair.lb1().host().address().to_string());
}

TEST_CASE("the log lines of a take-over and of a release say how long each phase took") {
  EdgePair pair(Contender::Vipward);
  pair.start(pair.lb1());
  CHECK(as_vipward(pair.lb1()).daemon().command({"release"}).exit_code == 0);
  CHECK_MESSAGE(
      process_of(pair.lb1())
          .wait_for_line("vip state changed .*from=active .*address_off_us=[0-9]+ told_us=[0-9]+", 5s),
      pair.lb1().log());
  for (EdgeHost* host : {&pair.lb1(), &pair.lb2()}) {
    CHECK_MESSAGE(process_of(*host).wait_for_line(
                      "vip state changed .*to=active .*address_on_us=[0-9]+ announced_us=[0-9]+", 5s),
                  host->log());
  }
}

}  // namespace
}  // namespace vipward::test
