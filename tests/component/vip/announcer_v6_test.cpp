// Neighbour discovery on a real wire: what the neighbours are told of IPv6 VIPs, and who else claims one.
#include <doctest/doctest.h>
#include <linux/if_ether.h>
#include <poll.h>

#include <algorithm>
#include <fstream>

#include "lb/net/socket.h"
#include "lb/vip/announcer.h"
#include "lb/vip/claim_watch.h"
#include "tests/component/vip/router_bench.h"
#include "tests/support/http_client.h"
#include "tests/support/sniffer.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

const std::vector kSpecials{ip("fd77::1:0:100"), ip("fd77:0:1::100"), ip("fd78::100"), ip("fd77::101")};

struct AnnouncerV6Bench : VipBench {
  AnnouncerV6Bench() { REQUIRE(attach(*announcer, holder) == 0); }

  int attach(Announcer& which, const Host& host) {
    const InsideNamespace here = host.enter();
    const LinkWatch links;
    return which.attach(links.table(), "eth0");
  }
  MacAddress mac_of(const Host& host) { return make_inside<LinkWatch>(host)->table().find("eth0")->mac; }
  void announce(Announcer& which) {
    const TimePoint now = Clock::now();
    which.start(now);
    which.send_due(now);
  }
  // All addresses once, from `host`.
  void announce_from(const Host& host, const std::vector<IpAddress>& addresses) {
    const auto other = make_inside<Announcer>(host, addresses, Duration(30s));
    REQUIRE(attach(*other, host) == 0);
    announce(*other);
    REQUIRE(other->failed() == 0);
  }
  bool has_claims() {
    for (const ForeignClaim& claim : announcer->drain(table())) claims.push_back(claim);
    return !claims.empty();
  }
  std::uint64_t sent(AnnouncementKind kind) const {
    return announcer->sent().at(static_cast<std::size_t>(kind));
  }
  // What came before from `host` has arrived as well.
  void wait_for_what_is_under_way(const Host& host) {
    const auto is_answered = [&] {  // a refusal is an answer
      return host.call([&] {
        return HttpClient({.address = {holder.address_v6(), 9}, .limit = 1s}).connect() ==
               ClientError::Refused;
      });
    };
    REQUIRE(wait_until(is_answered, 10s));
  }
  bool is_readable() const {
    pollfd wait{.fd = announcer->ndisc_fd().value(), .events = POLLIN, .revents = 0};
    return poll(&wait, 1, 0) == 1;
  }

  const IpAddress vip6 = ip("fd77::100");
  Host peer = net.host("peer");
  std::unique_ptr<Announcer> announcer = make_inside<Announcer>(holder, std::vector{vip6}, Duration(30s));
  std::vector<ForeignClaim> claims;
};

TEST_CASE("a neighbour that has another host in its cache turns to the new holder of an IPv6 address") {
  AnnouncerV6Bench bench;
  const Sniffer sniffer(bench.net);
  run_ok(bench.peer, {"ip", "neigh", "replace", bench.vip6.to_string(), "lladdr", "02:00:00:00:00:99", "dev",
                      "eth0", "nud", "reachable"});
  bench.announce(*bench.announcer);
  CHECK(wait_until([&] { return bench.peer.neighbour(bench.vip6) == bench.holder.mac(); }, 5s));
  REQUIRE(wait_until([&] { return !sniffer.neighbour_claims_of(bench.holder, bench.vip6).empty(); }, 5s));
  const auto frames = sniffer.neighbour_claims_of(bench.holder, bench.vip6);
  CHECK(frames.size() == 1);
  CHECK(frames[0].source == bench.vip6);
  CHECK(frames[0].destination == ip("ff02::1"));
  CHECK(frames[0].mac == bench.holder.mac());
  CHECK(frames[0].is_override);
  CHECK_FALSE(frames[0].is_solicited);
  CHECK_FALSE(frames[0].is_router);
  CHECK(bench.sent(AnnouncementKind::UnsolicitedNa) == 1);
  CHECK(bench.sent(AnnouncementKind::GarpRequest) == 0);
  CHECK(bench.announcer->failed() == 0);
}

TEST_CASE("a host that forwards IPv6 says so, one without IPv6 on the interface is no router") {
  AnnouncerV6Bench bench;
  const Sniffer sniffer(bench.net);
  TimePoint now = Clock::now();
  const auto says_router = [&] {
    const std::size_t before = sniffer.neighbour_claims_of(bench.holder, bench.vip6).size();
    REQUIRE(bench.attach(*bench.announcer, bench.holder) == 0);
    now += 1min;  // far from the last round
    bench.announcer->start(now);
    const InsideNamespace here = bench.holder.enter();  // where its /proc is
    bench.announcer->send_due(now);
    REQUIRE(wait_until([&] { return sniffer.neighbour_claims_of(bench.holder, bench.vip6).size() > before; },
                       5s));
    return sniffer.neighbour_claims_of(bench.holder, bench.vip6).back().is_router;
  };
  CHECK_FALSE(says_router());
  bench.holder.call([] { std::ofstream("/proc/sys/net/ipv6/conf/eth0/forwarding") << "1"; });
  CHECK(says_router());
  // Below 1280 bytes the kernel takes IPv6 off the interface, and its settings with it.
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "mtu", "1279"});
  CHECK_FALSE(says_router());
}

TEST_CASE("a host that advertises an IPv6 VIP, or answers for it, is a foreign claim") {
  AnnouncerV6Bench bench;
  const Host third = bench.net.host("third");
  bench.attach(*bench.announcer, bench.holder);
  run_ok(third, {"ip", "address", "add", bench.vip6.to_string() + "/128", "dev", "eth0", "nodad"});
  const Sniffer sniffer(bench.net);
  bool is_solicited = true;
  SUBCASE("by announcing it") {
    is_solicited = false;
    bench.announce_from(third, {bench.vip6});
  }
  SUBCASE("by answering our probe, which no other neighbour hears") {
    const TimePoint now = Clock::now();
    bench.announcer->start(now);
    while (bench.sent(AnnouncementKind::Probe) == 0) {
      bench.announcer->send_due(*bench.announcer->next_deadline());
      REQUIRE(bench.announcer->failed() == 0);
    }
  }
  SUBCASE("by answering this host's kernel alone") {
    bench.holder.call([&] { start_connect(open_tcp(AF_INET6).get(), {bench.vip6, 9}); });
  }
  CHECK(wait_until([&] { return bench.has_claims(); }, 5s));
  REQUIRE_FALSE(bench.claims.empty());
  CHECK(bench.claims[0] ==
        ForeignClaim{.address = bench.vip6, .mac = bench.mac_of(third), .operation = std::nullopt});
  REQUIRE(wait_until([&] { return !sniffer.neighbour_claims_of(third, bench.vip6).empty(); }, 5s));
  const auto frames = sniffer.neighbour_claims_of(third, bench.vip6);
  CHECK(frames[0].is_solicited == is_solicited);
  CHECK((frames[0].destination == ip("ff02::1")) == !is_solicited);
}

TEST_CASE("another holder's advertisement leaves the address of this host as it is") {
  AnnouncerV6Bench bench;
  run_ok(bench.holder, {"ip", "address", "add", bench.vip6.to_string() + "/128", "dev", "eth0", "nodad",
                        "preferred_lft", "0", "noprefixroute"});
  const auto address = [&] {
    return bench.holder.run({"ip", "-6", "-o", "address", "show", "to", bench.vip6.to_string()})
        .standard_output;
  };
  const std::string before = address();
  REQUIRE(contains(before, bench.vip6.to_string()));
  bench.announce_from(bench.peer, {bench.vip6});
  CHECK(wait_until([&] { return bench.has_claims(); }, 5s));
  CHECK(address() == before);
  CHECK_FALSE(contains(before, "tentative"));
  CHECK_FALSE(contains(before, "dadfailed"));
}

TEST_CASE("own announcements, and what others say of other IPv6 addresses, wake nobody") {
  AnnouncerV6Bench bench;
  bench.announce(*bench.announcer);
  // Each differs from the VIP in one word; and the VIP's own, as if a router had forwarded it.
  bench.announce_from(bench.peer, kSpecials);
  auto forwarded = unsolicited_na({.mac = bench.mac_of(bench.peer)}, bench.vip6);
  forwarded[21] = 254;
  const auto raw = make_inside<PacketSocket>(bench.peer, ETH_P_IPV6, std::span<const sock_filter>{});
  REQUIRE(raw->attach(make_inside<LinkWatch>(bench.peer)->table().find("eth0")->index) == 0);
  CHECK(raw->send(forwarded) == 0);
  CHECK(raw->send(neighbour_probe(bench.mac_of(bench.peer), bench.peer.link_local(), bench.vip6)) == 0);
  // Solicitations, their answers and echoes.
  bench.wait_for_what_is_under_way(bench.peer);
  CHECK_FALSE(bench.is_readable());
  CHECK_FALSE(bench.has_claims());
  bench.announce_from(bench.peer, {bench.vip6});
  CHECK(wait_until([&] { return bench.is_readable(); }, 5s));
}

TEST_CASE("of many IPv6 addresses the last is seen too") {
  AnnouncerV6Bench bench;
  std::vector<IpAddress> addresses;
  for (int i = 1; i <= 60; ++i) addresses.push_back(ip("fd77::1:" + std::to_string(i)));
  addresses.insert(addresses.end(), kSpecials.begin(), kSpecials.end());
  bench.announcer = make_inside<Announcer>(bench.holder, addresses, Duration(30s));
  REQUIRE(bench.attach(*bench.announcer, bench.holder) == 0);
  bench.announce_from(bench.peer, kSpecials);
  CHECK(wait_until([&] { return bench.has_claims() && bench.claims.size() >= kSpecials.size(); }, 5s));
  std::vector<IpAddress> claimed;
  for (const ForeignClaim& claim : bench.claims) claimed.push_back(claim.address);
  CHECK(claimed == kSpecials);
}

TEST_CASE("claims of both families come out of one list, and it announces both") {
  AnnouncerV6Bench bench;
  const std::vector both{bench.vip, bench.vip6};
  bench.announcer = make_inside<Announcer>(bench.holder, both, Duration(30s));
  REQUIRE(bench.attach(*bench.announcer, bench.holder) == 0);
  bench.announce(*bench.announcer);
  CHECK(bench.sent(AnnouncementKind::GarpReply) == 1);
  CHECK(bench.sent(AnnouncementKind::UnsolicitedNa) == 1);
  bench.announce_from(bench.peer, both);
  CHECK(wait_until([&] { return bench.has_claims() && bench.claims.size() >= 3; }, 5s));
  const auto count = [&](const IpAddress& address) {
    return std::ranges::count(bench.claims, address, &ForeignClaim::address);
  };
  CHECK(count(bench.vip) == 2);
  CHECK(count(bench.vip6) == 1);
  // Without an interface nothing leaves, and all of it is counted.
  bench.announcer->attach(bench.table(), "missing");
  bench.announcer->stop();
  bench.announcer->start(Clock::now() + 1min);
  bench.announcer->send_due(Clock::now() + 1min);
  CHECK(bench.announcer->failed() == 3);
  CHECK(bench.announcer->last_error() == ENXIO);
}

TEST_CASE("a router that holds an IPv6 address wakes for another holder and names it") {
  RouterBench bench;
  const IpAddress vip6 = ip("fd77::100");
  bench.config.addresses.push_back(Cidr{vip6, 64});
  bench.become_active();
  REQUIRE(bench.announced(AnnouncementKind::UnsolicitedNa) > 0);
  const auto other = make_inside<Announcer>(bench.peer, std::vector{vip6}, Duration(30s));
  REQUIRE(other->attach(make_inside<LinkWatch>(bench.peer)->table(), "eth0") == 0);
  other->start(Clock::now());
  other->send_due(Clock::now());
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  CHECK(bench.router->report().warning ==
        vip6.to_string() + " is claimed by " + bench.peer.mac() + " as well");
}

// An Announcer at work, what looks at claims for it, and a peer that claims by the virtual router's MAC.
struct VirtualMacBench : AnnouncerV6Bench {
  VirtualMacBench() {
    LinkTable table = make_inside<LinkWatch>(peer)->table();
    Link link = *table.find("eth0");
    link.mac = router_mac;
    table.apply(LinkEvent{.link = link});
    REQUIRE(other->attach(table, "eth0") == 0);
    announcer->start(start);
    announcer->send_due(start);
  }
  // Claims, and has that seen at `now`.
  void claim_at(TimePoint now) {
    other->start(now);
    other->send_due(now);
    REQUIRE(wait_until([&] { return is_readable(); }, 5s));
    watch.look(now, table());
  }
  // The next rounds from `now` on, up to `limit`.
  std::vector<Duration> rounds(TimePoint now, TimePoint limit) {
    std::vector<Duration> at;
    while (*announcer->next_deadline() <= limit) {
      const TimePoint due = *announcer->next_deadline();
      const std::uint64_t before = sent(AnnouncementKind::UnsolicitedNa);
      announcer->send_due(due);
      if (sent(AnnouncementKind::UnsolicitedNa) > before) at.push_back(due - now);
    }
    return at;
  }

  const MacAddress router_mac{0x00, 0x00, 0x5e, 0x00, 0x02, 100};
  std::unique_ptr<Announcer> other = make_inside<Announcer>(peer, std::vector{vip6}, Duration(30s));
  CapturedLog log;
  ConflictWatch foreign;
  ClaimWatch watch{log.log(), *announcer, foreign, router_mac};
  const TimePoint start = Clock::now();
};

TEST_CASE("a router that claims by the virtual router's MAC is named at once, and answered after a while") {
  VirtualMacBench bench;
  // The announcements that are under way go on.
  bench.claim_at(bench.start + 5ms);
  CHECK(bench.foreign.is_under_way());
  CHECK(bench.foreign.last() == bench.vip6.to_string() + " is claimed by 00:00:5e:00:02:64 as well");
  CHECK(bench.log.wait_for("another holder of the address shows itself"));
  CHECK(bench.rounds(bench.start, bench.start + 2s) == std::vector<Duration>{10ms, 100ms, 1s});
  bench.claim_at(bench.start + 2s);
  CHECK(bench.watch.next_deadline() == bench.start + 3005ms);
  bench.watch.look(bench.start + 3004ms, bench.table());
  CHECK(bench.rounds(bench.start, bench.start + 4s).empty());
  bench.watch.look(bench.start + 4s, bench.table());
  CHECK_FALSE(bench.watch.next_deadline());
  CHECK(bench.rounds(bench.start, bench.start + 6s) == std::vector<Duration>{4s, 4010ms, 4100ms, 5s});
  CHECK(bench.foreign.count() == 2);

  // It has had its time, until it has been silent for long.
  bench.claim_at(bench.start + 10s);
  CHECK(bench.rounds(bench.start, bench.start + 12s) == std::vector<Duration>{10s, 10010ms, 10100ms, 11s});
  bench.claim_at(bench.start + 71s);
  CHECK(bench.watch.next_deadline() == bench.start + 74s);
}

TEST_CASE("a router that claims before it advertises is not answered by one that has given way") {
  VirtualMacBench bench;
  bench.claim_at(bench.start + 2s);
  bench.announcer->stop();
  bench.watch.look(bench.start + 3s, bench.table());
  CHECK_FALSE(bench.watch.next_deadline());
  CHECK_FALSE(bench.announcer->next_deadline());
}

TEST_CASE("any other host that claims the address is answered at once") {
  VirtualMacBench bench;
  bench.rounds(bench.start, bench.start + 2s);
  bench.announce_from(bench.peer, {bench.vip6});
  REQUIRE(wait_until([&] { return bench.is_readable(); }, 5s));
  bench.watch.look(bench.start + 2s, bench.table());
  CHECK(bench.rounds(bench.start, bench.start + 4s) == std::vector<Duration>{2s, 2010ms, 2100ms, 3s});
}

TEST_CASE("without a link-local address the probe comes from another one of the subnet") {
  AnnouncerV6Bench bench;
  const Sniffer sniffer(bench.net);
  run_ok(bench.holder,
         {"ip", "address", "del", bench.holder.link_local().to_string() + "/64", "dev", "eth0"});
  REQUIRE(bench.attach(*bench.announcer, bench.holder) == 0);
  bench.announcer->start(Clock::now());
  while (bench.sent(AnnouncementKind::Probe) == 0) {
    bench.announcer->send_due(*bench.announcer->next_deadline());
    REQUIRE(bench.announcer->failed() == 0);
  }
  const auto is_probe = [&](const NeighbourFrame& frame) {
    return !frame.is_advertisement() && frame.host == "holder" && frame.target == bench.vip6 &&
           frame.source == bench.holder.address_v6();
  };
  CHECK(wait_until([&] { return std::ranges::count_if(sniffer.neighbours(), is_probe) == 1; }, 5s));
}

TEST_CASE("a list without an IPv6 address has no socket for them") {
  AnnouncerV6Bench bench;
  CHECK(bench.announcer->ndisc_fd().has_value());
  CHECK_FALSE(
      make_inside<Announcer>(bench.holder, std::vector{bench.vip}, Duration(30s))->ndisc_fd().has_value());
}

}  // namespace
}  // namespace vipward::test
