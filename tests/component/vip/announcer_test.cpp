// ARP on a real wire: what the neighbours are told, and who else claims a VIP.
#include "lb/vip/announcer.h"

#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <poll.h>

#include <algorithm>

#include "lb/net/socket.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct AnnouncerBench : VipBench {
  AnnouncerBench() { REQUIRE(announcer->attach(table(), "eth0") == 0); }
  MacAddress mac_of(const Host& host) { return make_inside<LinkWatch>(host)->table().find("eth0")->mac; }
  Host peer = net.host("peer");
  std::unique_ptr<Announcer> announcer = make_inside<Announcer>(holder, std::vector{vip}, Duration(30s));
};

std::string to_text(const MacAddress& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

bool is_readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, 0) == 1;
}

TEST_CASE("both forms of a gratuitous ARP reach the neighbours, and are counted") {
  AnnouncerBench bench;
  const auto neighbour = make_inside<PacketSocket>(bench.peer, ETH_P_ARP, std::span<const sock_filter>{});
  const auto peer_links = make_inside<LinkWatch>(bench.peer);
  REQUIRE(neighbour->attach(peer_links->table().find("eth0")->index) == 0);
  const TimePoint now = Clock::now();
  bench.announcer->start(now);
  bench.announcer->send_due(now);

  const MacAddress mac = bench.mac_of(bench.holder);
  std::vector<std::vector<std::uint8_t>> expected;
  for (const ArpFrame& frame : {garp_request(mac, bench.vip), garp_reply(mac, bench.vip)}) {
    expected.emplace_back(frame.begin(), frame.end());
  }
  std::vector<std::vector<std::uint8_t>> heard;
  const auto is_heard = [&](const auto& frame) { return std::ranges::find(heard, frame) != heard.end(); };
  CHECK(wait_until(
      [&] {
        std::vector<std::uint8_t> frame(1500);
        while (const auto size = neighbour->receive(frame))
          heard.emplace_back(frame.begin(), frame.begin() + static_cast<long>(*size));
        return std::ranges::all_of(expected, is_heard);
      },
      5s));
  CHECK(bench.announcer->sent()[static_cast<std::size_t>(AnnouncementKind::GarpRequest)] == 1);
  CHECK(bench.announcer->sent()[static_cast<std::size_t>(AnnouncementKind::GarpReply)] == 1);
  CHECK(bench.announcer->failed() == 0);
  CHECK(bench.announcer->next_deadline().has_value());
  bench.announcer->stop();
  CHECK(bench.announcer->next_deadline() == std::nullopt);
  bench.announcer->send_due(now + 10s);
  CHECK(bench.announcer->sent()[static_cast<std::size_t>(AnnouncementKind::GarpRequest)] == 1);
}

TEST_CASE("a neighbour that has another host in its cache turns to the new holder") {
  AnnouncerBench bench;
  run_ok(bench.peer, {"ip", "neigh", "replace", "10.77.0.100", "lladdr", "02:00:00:00:00:99", "dev", "eth0",
                      "nud", "reachable"});
  const TimePoint now = Clock::now();
  bench.announcer->start(now);
  bench.announcer->send_due(now);
  const std::string mac = to_text(bench.mac_of(bench.holder));
  CHECK(wait_until(
      [&] {
        return contains(bench.peer.run({"ip", "neigh", "show", "10.77.0.100"}).standard_output, mac);
      },
      5s));
}

TEST_CASE("a host that announces the VIP, or answers our probe for it, is a foreign claim") {
  AnnouncerBench bench;
  Host third = bench.net.host("third");
  run_ok(third, {"ip", "address", "add", "10.77.0.100/32", "dev", "eth0"});
  const MacAddress mac = bench.mac_of(third);
  std::vector<ForeignClaim> claims;
  ArpOperation operation{};
  const auto drain = [&] {
    bench.links().drain(Clock::now());
    for (const ForeignClaim& claim : bench.announcer->drain(bench.links().table())) claims.push_back(claim);
    return !claims.empty();
  };
  SUBCASE("by announcing it") {
    operation = ArpOperation::Request;
    const auto other = make_inside<Announcer>(third, std::vector{bench.vip}, Duration(30s));
    REQUIRE(other->attach(make_inside<LinkWatch>(third)->table(), "eth0") == 0);
    const TimePoint now = Clock::now();
    other->start(now);
    other->send_due(now);
    CHECK(wait_until(drain, 5s));
  }
  SUBCASE("by answering") {
    operation = ArpOperation::Reply;
    const TimePoint now = Clock::now();
    bench.announcer->start(now);
    // As if three seconds had passed: the probes of the plan.
    for (TimePoint then = now; then < now + 3s; then = *bench.announcer->next_deadline()) {
      bench.announcer->send_due(then);
    }
    CHECK(bench.announcer->sent()[static_cast<std::size_t>(AnnouncementKind::Probe)] > 0);
    CHECK(wait_until(drain, 5s));
  }
  REQUIRE_FALSE(claims.empty());
  CHECK(claims[0] == ForeignClaim{.address = bench.vip, .mac = mac, .operation = operation});
}

TEST_CASE("own announcements, and ARP of others about something else, wake nobody") {
  AnnouncerBench bench;
  const TimePoint now = Clock::now();
  bench.announcer->start(now);
  bench.announcer->send_due(now);
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.100/32", "dev", "eth0"});
  // The peer asks for the host's own address and for the VIP.
  for (const IpAddress& target : {bench.holder.address(), bench.vip}) {
    bench.peer.call([&] { start_connect(open_tcp(AF_INET).get(), {target, 9}); });
    const auto is_known = [&] {
      return contains(bench.peer.run({"ip", "neigh", "show", target.to_string()}).standard_output, "lladdr");
    };
    REQUIRE(wait_until(is_known, 5s));
  }
  CHECK_FALSE(is_readable(bench.announcer->fd()));
  CHECK(bench.announcer->drain(bench.table()).empty());
}

TEST_CASE("of many addresses the last is seen too") {
  AnnouncerBench bench;
  std::vector<IpAddress> addresses;
  for (int i = 1; i <= 64; ++i) addresses.push_back(ip("10.77.1." + std::to_string(i)));
  const auto watcher = make_inside<Announcer>(bench.holder, addresses, Duration(30s));
  REQUIRE(watcher->attach(bench.table(), "eth0") == 0);
  const auto other = make_inside<Announcer>(bench.peer, std::vector{addresses.back()}, Duration(30s));
  REQUIRE(other->attach(make_inside<LinkWatch>(bench.peer)->table(), "eth0") == 0);
  other->start(Clock::now());
  other->send_due(Clock::now());
  std::vector<ForeignClaim> claims;
  CHECK(wait_until([&] { return !(claims = watcher->drain(bench.links().table())).empty(); }, 5s));
  CHECK(claims.at(0).address == addresses.back());
}

TEST_CASE("announcements go on after the interface went down, and after it was made anew") {
  AnnouncerBench bench;
  const auto round = [&](Duration after) {
    const TimePoint now = Clock::now() + after;
    bench.announcer->start(now);
    bench.announcer->send_due(now);
  };
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
  round(0s);
  CHECK(bench.announcer->failed() == 2);
  CHECK(bench.announcer->last_error() == ENETDOWN);
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "up"});
  round(10s);
  CHECK(bench.announcer->failed() == 2);

  bench.make_interface("wire");
  REQUIRE(bench.announcer->attach(bench.table(), "wire") == 0);
  round(20s);
  run_ok(bench.holder, {"ip", "link", "del", "wire"});
  REQUIRE(bench.announcer->attach(bench.table(), "wire") == 0);
  round(30s);
  CHECK(bench.announcer->last_error() == ENXIO);
  bench.make_interface("wire");
  REQUIRE(bench.announcer->attach(bench.table(), "wire") == 0);
  round(40s);
  CHECK(bench.announcer->failed() == 4);
  CHECK(bench.announcer->sent()[static_cast<std::size_t>(AnnouncementKind::GarpReply)] == 3);
}

}  // namespace
}  // namespace vipward::test
