// What is different with IPv6 addresses: which one the kernel sends from, when one may be used at all, and
// what becomes of them.
#include <doctest/doctest.h>
#include <linux/if_addr.h>

#include "lb/vip/address_keeper.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct V6Bench : VipBench {
  AddressKeeper keeper(std::chrono::seconds lifetime = 5s) {
    return AddressKeeper({.addresses = {vip_v6, link_local_vip},
                          .interface = "eth0",
                          .lifetime = lifetime,
                          .state_file = folder.file("state")},
                         links());
  }
  void take(AddressKeeper& keeper) {
    REQUIRE(keeper.add(Clock::now()) == std::nullopt);
    REQUIRE(comes_on(vip_v6));
    REQUIRE(comes_on(link_local_vip));
  }
  // What a new connection from the holder to `target` is sent from.
  IpAddress source_towards(const IpAddress& target) {
    return holder.call([&] {
      sockaddr_storage to{};
      const socklen_t size = SocketAddress(target, 9).to_sockaddr(to);
      reinterpret_cast<sockaddr_in6*>(&to)->sin6_scope_id = target.is_link_local() ? index() : 0;
      const Fd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      REQUIRE(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) == 0);
      return SocketAddress::local_of(fd.get()).ip();
    });
  }
  // A TCP handshake of the peer's with a port that nobody listens on: whether it is refused, and not lost.
  bool answers(const IpAddress& address) {
    return peer.call([&] {
      sockaddr_storage to{};
      const socklen_t size = SocketAddress(address, 9).to_sockaddr(to);
      const Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const timeval limit{.tv_sec = 5, .tv_usec = 0};
      setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
      return connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) != 0 && errno == ECONNREFUSED;
    });
  }
  void set(const std::string& knob, const std::string& value) {
    run_ok(holder, {"sysctl", "-qw", "net.ipv6.conf.eth0." + knob + "=" + value});
  }

  Host peer = net.host("peer");
  const IpAddress vip_v6 = ip("fd77::100");
  const IpAddress link_local_vip = ip("fe80::100");
};

TEST_CASE(
    "no new connection is sent from an IPv6 VIP, before and after a renewal, with a lifetime or without") {
  V6Bench bench;
  const IpAddress own = bench.holder.address_v6();
  const IpAddress own_link_local = bench.holder.link_local();
  // The rule of the longest common prefix would choose the VIP for its neighbour.
  const std::vector<IpAddress> targets{bench.peer.address_v6(), ip("fd77::101")};
  std::chrono::seconds lifetime{};
  SUBCASE("for some seconds") {
    lifetime = 5s;
  }
  SUBCASE("permanent") {}
  AddressKeeper keeper = bench.keeper(lifetime);
  bench.take(keeper);
  for (int round = 0; round < 2; ++round) {
    for (const IpAddress& target : targets) CHECK(bench.source_towards(target) == own);
    CHECK(bench.source_towards(ip("fe80::101")) == own_link_local);
    CHECK(bench.source_towards(bench.peer.link_local()) == own_link_local);
    keeper.renew_now(Clock::now());
  }
  // And it is the preferred lifetime that does it.
  run_ok(bench.holder, {"ip", "address", "change", "fd77::100/128", "dev", "eth0", "nodad", "noprefixroute",
                        "preferred_lft", "forever"});
  CHECK(bench.source_towards(ip("fd77::101")) == bench.vip_v6);
}

TEST_CASE("the neighbours reach an IPv6 VIP at once") {
  V6Bench bench;
  AddressKeeper keeper = bench.keeper();
  bench.take(keeper);
  CHECK(bench.answers(bench.vip_v6));
}

TEST_CASE("an interface that goes down takes held IPv6 addresses along, and they are put back") {
  V6Bench bench;
  AddressKeeper keeper = bench.keeper();
  bench.take(keeper);
  REQUIRE(keeper.is_holding());
  REQUIRE(bench.comes_on(bench.vip_v6));
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
  CHECK_FALSE(bench.is_on(bench.vip_v6));
  CHECK_FALSE(bench.is_on(bench.link_local_vip));
  SUBCASE("when it is up again") {
    run_ok(bench.holder, {"ip", "link", "set", "eth0", "up"});
    REQUIRE_FALSE(bench.is_on(bench.vip_v6));
    CHECK(keeper.repair());
  }
  SUBCASE("at once, and they stay when it comes up") {
    CHECK(keeper.repair());
    CHECK(bench.comes_on(bench.vip_v6));
    run_ok(bench.holder, {"ip", "link", "set", "eth0", "up"});
  }
  CHECK(bench.comes_on(bench.vip_v6));
  CHECK(bench.comes_on(bench.link_local_vip));
  CHECK_FALSE(keeper.repair());
  CHECK(keeper.restored() == 2);
  CHECK(bench.table().has_usable("eth0", bench.vip_v6));
  // The host's own has gone too, and with it the way back to the peer.
  run_ok(bench.holder,
         {"ip", "address", "add", bench.holder.address_v6().to_string() + "/64", "dev", "eth0"});
  CHECK(bench.answers(bench.vip_v6));
  keeper.renew_now(Clock::now());
  CHECK(bench.comes_on(bench.vip_v6));
}

TEST_CASE("an IPv6 address that became the host's own is neither changed nor removed") {
  V6Bench bench;
  AddressKeeper keeper = bench.keeper();
  const auto own_is_as_it_was = [&] {
    const std::string lines = addresses_of(bench.holder);
    CAPTURE(lines);
    CHECK(contains(lines,
                   "inet6 fd77::100/64 scope global nodad \\       valid_lft forever preferred_lft forever"));
    const CommandResult routes = bench.holder.run({"ip", "-6", "route", "show", "dev", "eth0"});
    CHECK(contains(routes.standard_output, "fd77::/64"));
  };
  const auto make_own = [&] {
    run_ok(bench.holder, {"ip", "address", "add", "fd77::100/64", "dev", "eth0", "nodad"});
    REQUIRE(wait_until([&] { return bench.table().has_usable("eth0", bench.vip_v6); }, 5s));
  };
  run_ok(bench.holder,
         {"ip", "address", "del", bench.holder.address_v6().to_string() + "/64", "dev", "eth0"});
  SUBCASE("before it is taken") {
    make_own();
    CHECK(keeper.add(Clock::now()) == "cannot add fd77::100 to eth0: File exists");
  }
  SUBCASE("while it is held") {
    bench.take(keeper);
    run_ok(bench.holder, {"ip", "address", "del", "fd77::100/128", "dev", "eth0"});
    make_own();
    CHECK_FALSE(keeper.repair());
    keeper.renew_now(Clock::now());
  }
  own_is_as_it_was();
  bench.links().drain(Clock::now());
  CHECK_FALSE(keeper.is_complete());
  CHECK(keeper.remove(Clock::now()) == std::nullopt);
  own_is_as_it_was();
  CHECK_FALSE(bench.is_on(bench.link_local_vip));
}

TEST_CASE("an interface without IPv6 is said") {
  V6Bench bench;
  AddressKeeper keeper = bench.keeper();
  bench.set("disable_ipv6", "1");
  CHECK(keeper.add(Clock::now()) == "cannot add fe80::100 to eth0: Permission denied");
  bench.set("disable_ipv6", "0");
  bench.links().drain(Clock::now());
  CHECK(keeper.repair());
  CHECK(bench.comes_on(bench.vip_v6));
}

TEST_CASE("an address of which duplicate address detection is not done is no source, nor a duplicate one") {
  V6Bench bench;
  run_ok(bench.peer, {"ip", "address", "add", "fd99::1/64", "dev", "eth0", "nodad"});
  bench.set("accept_dad", "1");
  const unsigned index = bench.index();
  const auto flags = [&](const char* text) {
    for (const InterfaceAddress& one : bench.table().addresses()) {
      if (one.interface == index && one.address == ip(text)) return one.flags;
    }
    return std::uint32_t{0};
  };
  run_ok(bench.holder, {"ip", "address", "add", "fd98::1/64", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", "fd99::1/64", "dev", "eth0"});
  REQUIRE((flags("fd98::1") & IFA_F_TENTATIVE) != 0);
  CHECK_FALSE(bench.table().has_usable("eth0", ip("fd98::1")));
  CHECK(bench.table().source_for("eth0", ip("fd98::100"), {}) == std::nullopt);
  CHECK(wait_until([&] { return bench.table().has_usable("eth0", ip("fd98::1")); }, 10s));
  CHECK(bench.table().source_for("eth0", ip("fd98::100"), {}) == ip("fd98::1"));
  REQUIRE(wait_until([&] { return (flags("fd99::1") & IFA_F_DADFAILED) != 0; }, 10s));
  CHECK_FALSE(bench.table().has_usable("eth0", ip("fd99::1")));
  CHECK(bench.table().source_for("eth0", ip("fd99::100"), {}) == std::nullopt);
}

TEST_CASE("the link-local address of an interface is none of the VIPs, and follows when it is made anew") {
  V6Bench bench;
  AddressKeeper keeper = bench.keeper();
  const IpAddress own = bench.holder.link_local();
  bench.take(keeper);
  REQUIRE(own != bench.link_local_vip);
  CHECK(bench.table().link_local_of("eth0", std::vector{bench.link_local_vip}) == own);
  CHECK(bench.table().link_local_of("eth0", {}) == own);
  CHECK(bench.table().interfaces_towards(bench.link_local_vip).empty());
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
  CHECK(bench.table().link_local_of("eth0", {}) == std::nullopt);
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "up"});
  CHECK(wait_until([&] { return bench.table().link_local_of("eth0", {}) == own; }, 10s));
}

TEST_CASE("a dump says of IPv6 addresses what the events had said") {
  V6Bench bench;
  AddressKeeper keeper = bench.keeper();
  bench.take(keeper);
  keeper.renew_now(Clock::now());
  const auto later = make_inside<LinkWatch>(bench.holder);
  const std::vector<InterfaceAddress>& told = bench.table().addresses();
  const std::vector<InterfaceAddress>& dumped = later->table().addresses();
  CHECK(told.size() == dumped.size());
  for (const InterfaceAddress& one : told) CHECK(std::ranges::find(dumped, one) != dumped.end());
}

}  // namespace
}  // namespace vipward::test
