// A peer that is not understood, or is not heard, is explained: once in the log, and in the status for as
// long as it lasts.
#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>

#include "lb/vip/advertisement_reader.h"
#include "lb/vip/announcer.h"
#include "lb/vip/diagnosis.h"
#include "lb/vip/virtual_router.h"
#include "tests/component/vip/router_bench.h"

namespace vipward::test {
namespace {

const std::string kVersion =
    " speaks VRRP version 2, this host version 3: set `version: 2` here or vrrp_version 3 there";

Dialect dialect_of_version(VrrpVersion version, std::uint8_t vrid = 51) {
  Dialect dialect;
  dialect.vrid = vrid;
  dialect.version = version;
  dialect.interval = 1s;
  return dialect;
}

// Without a network: what the reader says of datagrams, at times that the case chooses.
struct ReaderBench {
  AdvertisementReader make(std::optional<std::vector<IpAddress>> peers) {
    return AdvertisementReader(log.log(), foreign,
                               {.dialect = dialect_of_version(VrrpVersion::V3),
                                .addresses = {ip("10.77.0.100")},
                                .peers = std::move(peers)});
  }
  bool hears(AdvertisementReader& reader, TimePoint now, const IpAddress& source, const Dialect& dialect,
             const IpAddress& address = ip("10.77.0.100"), bool may_be_reflected = true) {
    const auto to = ip("10.77.0.1");
    const auto message =
        encode({.priority = 200, .interval = 1s, .addresses = {address}}, dialect, source, to);
    const VrrpDatagram datagram{.source = source, .destination = to, .ttl = 255, .message = message};
    return reader.read(now, datagram, {.source = to, .may_be_reflected = may_be_reflected}).has_value();
  }
  std::size_t lines(std::string_view part) {
    log.log().info("end of what was asked for", {{"round", ++rounds}});
    REQUIRE(log.wait_for("round=" + std::to_string(rounds)));
    return log.count(part);
  }

  CapturedLog log;
  ConflictWatch foreign;
  const TimePoint start = Clock::now();
  const IpAddress peer = ip("10.77.0.2");
  const Dialect other_version = dialect_of_version(VrrpVersion::V2);
  int rounds = 0;
};

TEST_CASE("an explanation lasts for three seconds and three intervals after its last packet") {
  ReaderBench bench;
  AdvertisementReader reader = bench.make(std::vector{bench.peer});
  for (int second = 0; second < 10; ++second) {
    CHECK_FALSE(bench.hears(reader, bench.start + second * 1s, bench.peer, bench.other_version));
    CHECK(reader.explanation() == "10.77.0.2" + kVersion);
  }
  const TimePoint end = bench.start + 9s + 6s;
  CHECK(reader.next_deadline() == end);
  reader.expire(end - 1ms);
  CHECK_FALSE(reader.explanation().empty());
  reader.expire(end);
  CHECK(reader.explanation().empty());
  CHECK(reader.next_deadline() == std::nullopt);
  CHECK(bench.lines("VRRP packet refused") == 1);
  CHECK(bench.lines("reason=version explanation=\"10.77.0.2" + kVersion + "\"") == 1);
  CHECK_FALSE(bench.hears(reader, bench.start + 61s, bench.peer, bench.other_version));
  CHECK(bench.lines("VRRP packet refused") == 2);
}

TEST_CASE("of peers that alternate the first one is explained until it is silent") {
  ReaderBench bench;
  const IpAddress other = ip("10.77.0.3");
  AdvertisementReader reader = bench.make(std::vector{bench.peer, other});
  for (int second = 0; second < 4; ++second) {
    bench.hears(reader, bench.start + second * 1s, bench.peer, bench.other_version);
    bench.hears(reader, bench.start + second * 1s, other, bench.other_version);
    CHECK(reader.explanation() == "10.77.0.2" + kVersion);
  }
  bench.hears(reader, bench.start + 8s, other, bench.other_version);
  CHECK(reader.explanation() == "10.77.0.2" + kVersion);
  bench.hears(reader, bench.start + 9s, other, bench.other_version);
  CHECK(reader.explanation() == "10.77.0.3" + kVersion);
  CHECK(bench.lines("VRRP packet refused") == 2);
}

TEST_CASE("the last explanation stays until its sender is understood") {
  ReaderBench bench;
  const IpAddress other = ip("10.77.0.3");
  const Dialect ours = dialect_of_version(VrrpVersion::V3);
  AdvertisementReader reader = bench.make(std::vector{bench.peer, other});
  CHECK_FALSE(reader.last_explained());
  bench.hears(reader, bench.start, bench.peer, bench.other_version);
  bench.hears(reader, bench.start + 1s, other, bench.other_version);
  REQUIRE(reader.last_explained());
  CHECK(reader.last_explained()->at == bench.start + 1s);
  CHECK(reader.last_explained()->text == "10.77.0.3" + kVersion);
  reader.expire(bench.start + 1h);
  CHECK(bench.hears(reader, bench.start + 1h, bench.peer, ours));
  CHECK(reader.last_explained());
  CHECK(bench.hears(reader, bench.start + 1h, other, ours));
  CHECK_FALSE(reader.last_explained());
}

TEST_CASE("a stranger is explained in the log, and is no matter of the status") {
  ReaderBench bench;
  AdvertisementReader reader = bench.make(std::vector{bench.peer});
  bench.hears(reader, bench.start, ip("10.77.0.9"), bench.other_version);
  CHECK(reader.explanation().empty());
  CHECK(reader.arrived_at() == bench.start);
  CHECK(bench.lines("10.77.0.9" + kVersion) == 1);
}

TEST_CASE("strangers without number fill neither the log nor the memory") {
  ReaderBench bench;
  AdvertisementReader reader = bench.make(std::nullopt);
  for (int i = 0; i < 1000; ++i) {
    const IpAddress source = ip("10.78." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    bench.hears(reader, bench.start, source, bench.other_version);
    bench.hears(reader, bench.start, source, dialect_of_version(VrrpVersion::V3, 52), ip("10.77.0.102"));
    bench.hears(reader, bench.start, source, dialect_of_version(VrrpVersion::V3), ip("10.77.0.102"));
  }
  CHECK(reader.explanation() == "10.78.0.0" + kVersion);
  CHECK(bench.lines("explanation=") == SaidOnce::kMostCauses);
}

TEST_CASE("however many strangers there are, what a peer says wrong is in the log") {
  ReaderBench bench;
  AdvertisementReader reader = bench.make(std::vector{bench.peer});
  for (int i = 0; i < 200; ++i)
    bench.hears(reader, bench.start, ip("10.78.0." + std::to_string(i)), bench.other_version);
  bench.hears(reader, bench.start, bench.peer, bench.other_version);
  CHECK(bench.lines("10.77.0.2" + kVersion) == 1);
}

TEST_CASE("a peer's other VRID is said once, and is a warning only if it names our address") {
  ReaderBench bench;
  AdvertisementReader reader = bench.make(std::vector{bench.peer});
  const Dialect other = dialect_of_version(VrrpVersion::V3, 52);
  for (int minute = 0; minute < 5; ++minute) {
    const TimePoint now = bench.start + minute * 61s;
    CHECK_FALSE(bench.hears(reader, now, bench.peer, other, ip("10.77.0.102")));
    CHECK_FALSE(bench.hears(reader, now, ip("10.77.0.9"), other, ip("10.77.0.102")));
  }
  CHECK(reader.explanation().empty());
  CHECK(reader.arrived_at() == std::nullopt);
  CHECK(bench.lines("VRRP packet refused") == 1);
  CHECK(bench.lines("reason=vrid explanation=\"10.77.0.2 speaks with VRID 52, this host with 51: ") == 1);
  const TimePoint later = bench.start + 1h;
  bench.hears(reader, later, bench.peer, other);
  CHECK(reader.explanation() ==
        "10.77.0.2 advertises 10.77.0.100 with VRID 52, this host with 51, which must be the same: set "
        "`virtual_router_id: 52` here or virtual_router_id 51 there");
  CHECK(bench.lines("VRRP packet refused") == 2);
}

TEST_CASE("our own address is a twin's if nothing of ours can have come back") {
  ReaderBench bench;
  AdvertisementReader reader = bench.make(std::vector{bench.peer});
  const Dialect ours = dialect_of_version(VrrpVersion::V3);
  CHECK_FALSE(bench.hears(reader, bench.start, ip("10.77.0.1"), ours));
  CHECK(reader.explanation().empty());
  const IpAddress vip = ip("10.77.0.100");
  CHECK_FALSE(
      bench.hears(reader, bench.start, ip("10.77.0.1"), dialect_of_version(VrrpVersion::V3, 52), vip, false));
  CHECK(reader.explanation().empty());
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(bench.hears(reader, bench.start + i * 1s, ip("10.77.0.1"), ours, vip, false));
  }
  CHECK(
      reader.explanation() ==
      "another host has this host's address 10.77.0.1 and sends VRRP with VRID 51 from it: give one of them "
      "another address");
  CHECK(bench.lines("source=10.77.0.1 reason=own_address explanation=\"another host has") == 1);
}

TEST_CASE("a peer of another version is logged once, warned of while it speaks, and forgotten by itself") {
  RouterBench bench;
  bench.become_active();
  Dialect dialect = bench.dialect();
  dialect.version = VrrpVersion::V2;
  const auto message = encode({.priority = 200, .interval = 1s, .addresses = {bench.vip}}, dialect,
                              bench.peer.address(), bench.holder.address());
  int before = bench.changes;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(bench.ear->send(bench.peer.address(), bench.holder.address(), message) == 0);
    CHECK(bench.run_until([&] { return bench.router->report().counters.rejected[3] >= i + 1U; }));
  }
  const std::string text = bench.peer.address().to_string() + kVersion;
  CHECK(bench.router->report().warning == text);
  CHECK(bench.router->state() == VipState::Active);
  CHECK(bench.changes == before + 1);
  CHECK(bench.log.wait_for("explanation=\"" + text + "\""));
  const TimePoint last = bench.loop.now();
  before = bench.changes;
  CHECK(bench.run_until([&] { return bench.router->report().warning.empty(); }));
  CHECK(bench.loop.now() - last >= 3s);
  CHECK(bench.run_until([&] { return bench.changes == before + 1; }));
  CHECK(bench.log.count("VRRP packet refused") == 1);
}

TEST_CASE("a backup, which has nothing else to do, forgets by itself as well") {
  RouterBench bench;
  bench.config.addresses.push_back(Cidr{ip("10.77.0.101"), 24});
  bench.make_router();
  bench.router->set_candidacy(Candidacy::None, "no proxy serves");
  bench.router->start();
  bench.say(200, 1s);
  CHECK(bench.run_until([&] { return !bench.router->report().warning.empty(); }));
  CHECK(bench.router->report().warning ==
        bench.peer.address().to_string() +
            " does not advertise 10.77.0.101, which this host does: set the same virtual_ipaddress there, "
            "keepalived 2.2.7 ignores this host's advertisements until then");
  CHECK(bench.log.wait_for("the peer advertises other addresses than ours"));
  const int before = bench.changes;
  CHECK(bench.run_until([&] { return bench.changes > before; }));
  CHECK(bench.router->report().warning.empty());
}

TEST_CASE("a peer of another VRID that claims our address is explained, and no filter suspected") {
  RouterBench bench;
  bench.become_active();
  const auto other = make_inside<Announcer>(bench.peer, std::vector{bench.vip}, Duration(30s));
  REQUIRE(other->attach(make_inside<LinkWatch>(bench.peer)->table(), "eth0") == 0);
  other->start(Clock::now());
  other->send_due(Clock::now());
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  const TimePoint since = bench.loop.now();
  Dialect dialect = bench.dialect();
  dialect.vrid = 7;
  const std::string whole =
      bench.vip.to_string() + " is claimed by " + bench.peer.mac() + " as well; " +
      bench.peer.address().to_string() +
      " advertises 10.77.0.100 with VRID 7, this host with 100, which must be the same: "
      "set `virtual_router_id: 7` here or virtual_router_id 100 there";
  const auto message = encode({.priority = 200, .interval = 1s, .addresses = {bench.vip}}, dialect,
                              bench.peer.address(), bench.holder.address());
  REQUIRE(bench.ear->send(bench.peer.address(), bench.holder.address(), message) == 0);
  CHECK(bench.run_until([&] { return bench.router->report().warning == whole; }));
  CHECK(bench.run_until([&] { return bench.loop.now() - since > 600ms; }));
  CHECK(bench.router->report().warning == whole);

  // Nor by the next image, to which the peer has not said anything.
  other->restart(Clock::now());
  other->send_due(Clock::now());
  bench.come_back(bench.leave());
  CHECK(bench.router->report().warning == whole);
  const TimePoint again = bench.loop.now();
  CHECK(bench.run_until([&] { return bench.loop.now() - again > 600ms; }));
  CHECK(bench.router->report().warning == whole);
}

TEST_CASE("over IPv6 a twin of this host's address is heard and named") {
  RouterBench bench;
  bench.config.addresses = {Cidr{ip("fd77::100"), 64}};
  bench.config.peers.clear();
  bench.make_router();
  bench.router->set_candidacy(Candidacy::None, "no proxy serves");
  bench.router->start();
  const auto own = bench.router->memory().source;
  REQUIRE(own.has_value());
  REQUIRE(own->is_link_local());
  run_ok(bench.peer, {"ip", "address", "add", own->to_string() + "/64", "dev", "eth0", "nodad"});
  const auto mouth = make_inside<VrrpSocket>(bench.peer, AF_INET6);
  const auto links = make_inside<LinkWatch>(bench.peer);
  REQUIRE(mouth->attach("eth0", links->table().find("eth0")->index) == std::nullopt);
  const auto message = encode({.priority = 200, .interval = 1s, .addresses = {ip("fd77::100")}},
                              bench.dialect(), *own, vrrp_group(AF_INET6));
  REQUIRE(mouth->send(*own, vrrp_group(AF_INET6), message) == 0);
  CHECK(bench.run_until([&] { return !bench.router->report().warning.empty(); }));
  CHECK(bench.router->report().warning == explain_own_address(*own, 100));
}

TEST_CASE("a holder that claims the address while nothing of VRRP arrives makes the filter suspect") {
  RouterBench bench;
  bool by_multicast = false;
  SUBCASE("by unicast") {}
  SUBCASE("by multicast") {
    by_multicast = true;
  }
  if (by_multicast) bench.config.peers.clear();
  bench.become_active();
  run_ok(bench.peer, {"ip", "address", "add", bench.vip.to_string() + "/32", "dev", "eth0"});
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  const std::string claim = bench.vip.to_string() + " is claimed by " + bench.peer.mac() + " as well";
  // A holder that is heard would have said something by and by.
  CHECK(bench.router->report().warning == claim);
  const int before = bench.changes;
  CHECK(bench.run_until([&] { return bench.router->report().warning != claim; }));
  const std::string whole = claim + explain_silence(AF_INET, by_multicast);
  CHECK(bench.router->report().warning == whole);
  CHECK(bench.run_until([&] { return bench.changes > before; }));
  CHECK(bench.log.wait_for("the address is contested explanation=\"" + whole + "\""));
  CHECK(bench.log.count("the address is contested") == 1);
  bench.say(1);
  CHECK(bench.run_until([&] { return bench.router->report().warning == claim; }));
}

// Of another interval than ours: what it says is heard only now and then.
TEST_CASE("who is heard once while the address is claimed is no filter's work, however rarely it speaks") {
  RouterBench bench;
  bench.become_active();
  // Its kernel answers the probes.
  run_ok(bench.peer, {"ip", "address", "add", bench.vip.to_string() + "/32", "dev", "eth0"});
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  std::string said;
  SUBCASE("a peer that does not hear us") {
    said = explain_contested(bench.peer.address(), false);
    bench.say(50, 1s);
  }
  SUBCASE("a stranger") {
    said = "VRRP advertisement of 10.77.0.99, which is not in vip.peers";
    run_ok(bench.peer, {"ip", "address", "add", "10.77.0.99/24", "dev", "eth0"});
    const auto message = encode({.priority = 50, .interval = 1s, .addresses = {bench.vip}}, bench.dialect(),
                                ip("10.77.0.99"), bench.holder.address());
    REQUIRE(bench.ear->send(ip("10.77.0.99"), bench.holder.address(), message) == 0);
  }
  CHECK(bench.run_until([&] { return contains(bench.router->report().warning, said); }));
  bool was_suspected = false;
  const TimePoint since = bench.loop.now();
  CHECK(bench.run_until([&] {
    was_suspected = was_suspected || contains(bench.router->report().warning, "filtered");
    return bench.loop.now() - since > 4s;
  }));
  CHECK(bench.router->report().contested);
  CHECK_FALSE(was_suspected);
}

TEST_CASE("who claims again after our answer does not hear us, who does so once has given way") {
  RouterBench bench;
  bench.become_active();
  const std::string line = "the address is contested explanation=";
  bench.say(50);
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  CHECK(bench.router->report().warning == explain_contested(bench.peer.address(), false));
  CHECK(bench.run_until([&] { return !bench.router->report().contested; }));
  CHECK(bench.log.count(line) == 0);

  // Also where the address is claimed by ARP already.
  run_ok(bench.peer, {"ip", "address", "add", bench.vip.to_string() + "/32", "dev", "eth0"});
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  const std::string whole = explain_contested(bench.peer.address(), true);
  CHECK(bench.run_until([&] {
    bench.say(50);
    return contains(bench.router->report().warning, whole);
  }));
  CHECK(bench.run_until([&] { return bench.log.count(line + "\"" + whole + "\"") == 1; }));
}

TEST_CASE("what a reload has mended is no cause any more") {
  RouterBench bench;
  bool is_mended = true;
  SUBCASE("mended") {}
  SUBCASE("as before") {
    is_mended = false;
  }
  bench.become_active();
  run_ok(bench.peer, {"ip", "address", "add", bench.vip.to_string() + "/32", "dev", "eth0"});
  CHECK(bench.run_until([&] { return bench.router->report().contested; }));
  const auto message = encode({.priority = 1, .interval = 1s, .addresses = {bench.vip, ip("10.77.0.101")}},
                              bench.dialect(), bench.peer.address(), bench.holder.address());
  REQUIRE(bench.ear->send(bench.peer.address(), bench.holder.address(), message) == 0);
  CHECK(bench.run_until([&] { return contains(bench.router->report().warning, "10.77.0.101"); }));
  auto left = bench.leave();
  REQUIRE(left.memory.last_explained.has_value());
  if (is_mended) bench.config.addresses.push_back(Cidr{ip("10.77.0.101"), 24});
  bench.come_back(std::move(left));
  CHECK(bench.router->report().contested);
  CHECK(contains(bench.router->report().warning, "10.77.0.101") == !is_mended);
}

}  // namespace
}  // namespace vipward::test
