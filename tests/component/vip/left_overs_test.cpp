// What an earlier life of the process left on the host.
#include <doctest/doctest.h>

#include "lb/vip/address_keeper.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct LeftOversBench : VipBench {
  AddressKeeper keeper() {
    links().drain(Clock::now());
    return AddressKeeper({.addresses = {vip, vip_v6, vip_link_local},
                          .interface = "eth0",
                          .lifetime = 1s,
                          .state_file = folder.file("state")},
                         links());
  }
  const IpAddress vip_v6 = ip("fd77::100");
  const IpAddress vip_link_local = ip("fe80::100");
  void put(const std::string& address, const std::string& interface) {
    run_ok(holder, {"ip", "address", "add", address, "dev", interface});
    const IpAddress which = Cidr::parse(address)->address;
    REQUIRE(wait_until([&] { return table().has_usable(interface, which); }, 5s));
  }
  // As an instance of vipward does.
  void put_tagged(const std::string& address) {
    const unsigned interface = index();
    REQUIRE(links().requests().send(AddressRequest::Create,
                                    {.interface = interface, .address = ip(address), .lifetime = 0s}) == 0);
    REQUIRE(comes_on(ip(address)));
  }
};

TEST_CASE("own addresses are removed from every interface at start, those of others stay") {
  LeftOversBench bench;
  bench.put("10.77.0.100/32", "eth0");
  bench.put("10.77.0.100/32", "lo");
  bench.put("10.77.0.200/32", "eth0");
  bench.put_tagged("10.77.0.201");  // of a second instance
  bench.put("fd77::100/128", "eth0");
  bench.put("fd77::100/128", "lo");
  bench.put("fe80::100/128", "eth0");
  bench.put("fd77::200/128", "eth0");
  bench.put_tagged("fd77::201");
  AddressKeeper keeper = bench.keeper();
  const auto result = keeper.remove_left_overs();
  CHECK(result.problem == std::nullopt);
  CHECK(result.removed.size() == 5);
  // Somebody else had set it: whoever holds it now may be another host.
  CHECK_FALSE(result.were_usable);
  const std::string eth0 = addresses_of(bench.holder);
  CHECK_FALSE(contains(eth0, "10.77.0.100/"));
  CHECK_FALSE(contains(addresses_of(bench.holder, "lo"), "10.77.0.100/"));
  CHECK(contains(eth0, "10.77.0.200/32"));
  CHECK(contains(eth0, "10.77.0.201/32"));
  CHECK(contains(eth0, bench.holder.address().to_string() + "/24"));
  CHECK_FALSE(contains(eth0, "fd77::100/"));
  CHECK_FALSE(contains(eth0, "fe80::100/"));
  CHECK_FALSE(contains(addresses_of(bench.holder, "lo"), "fd77::100/"));
  CHECK(contains(eth0, "fd77::200/128"));
  CHECK(contains(eth0, "fd77::201/128"));
  CHECK(contains(eth0, bench.holder.address_v6().to_string() + "/64"));
  CHECK(contains(eth0, bench.holder.link_local().to_string() + "/64"));
}

TEST_CASE("a link-local VIP on another interface is another address and stays") {
  LeftOversBench bench;
  bench.make_interface("other");
  bench.put("fe80::100/128", "other");
  write_file(bench.folder.file("state"), "fe80::100 eth0\n");
  AddressKeeper keeper = bench.keeper();
  CHECK(keeper.remove_left_overs().removed.empty());
  CHECK(contains(addresses_of(bench.holder, "other"), "fe80::100/128"));
}

TEST_CASE("an own address that vipward had set says that this host was the holder") {
  LeftOversBench bench;
  SUBCASE("IPv4") {
    bench.put_tagged("10.77.0.100");
  }
  SUBCASE("IPv6") {
    bench.put_tagged("fd77::100");
  }
  SUBCASE("IPv6, link-local") {
    bench.put_tagged("fe80::100");
  }
  AddressKeeper keeper = bench.keeper();
  const auto result = keeper.remove_left_overs();
  CHECK(result.removed.size() == 1);
  CHECK(result.were_usable);
}

TEST_CASE("an address that only the state file remembers is removed where it bears the tag") {
  LeftOversBench bench;
  bench.put_tagged("10.77.0.150");
  bench.put_tagged("10.77.0.151");
  bench.put_tagged("fd77::150");
  bench.put_tagged("fd77::151");
  write_file(bench.folder.file("state"), "10.77.0.150 eth0\nfd77::150 eth0\n" +
                                             bench.holder.address_v6().to_string() + " eth0\n" +
                                             bench.holder.address().to_string() + " eth0\nnonsense\n");
  AddressKeeper keeper = bench.keeper();
  const auto result = keeper.remove_left_overs();
  REQUIRE(result.removed.size() == 2);
  CHECK(std::ranges::count(result.removed, RecordedAddress{ip("10.77.0.150"), "eth0"}) == 1);
  CHECK(std::ranges::count(result.removed, RecordedAddress{ip("fd77::150"), "eth0"}) == 1);
  CHECK_FALSE(result.were_usable);
  const std::string eth0 = addresses_of(bench.holder);
  CHECK_FALSE(contains(eth0, "10.77.0.150/"));
  CHECK(contains(eth0, "10.77.0.151/32"));
  CHECK_FALSE(contains(eth0, "fd77::150/"));
  CHECK(contains(eth0, "fd77::151/128"));
  CHECK(contains(eth0, bench.holder.address_v6().to_string() + "/64"));
  CHECK(contains(eth0, bench.holder.address().to_string() + "/24"));
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));
}

TEST_CASE("an own address that is found without carrier, or elsewhere, was of no use") {
  LeftOversBench bench;
  SUBCASE("without carrier") {
    bench.put_tagged("10.77.0.100");
    bench.holder.pull_cable();
    REQUIRE(wait_until([&] { return !bench.table().is_usable("eth0"); }, 5s));
  }
  SUBCASE("on another interface") {
    bench.put("10.77.0.100/32", "lo");
  }
  SUBCASE("without carrier, IPv6") {
    bench.put_tagged("fd77::100");
    bench.holder.pull_cable();
    REQUIRE(wait_until([&] { return !bench.table().is_usable("eth0"); }, 5s));
  }
  SUBCASE("on another interface, IPv6") {
    bench.put("fd77::100/128", "lo");
  }
  AddressKeeper keeper = bench.keeper();
  const auto result = keeper.remove_left_overs();
  CHECK(result.removed.size() == 1);
  CHECK_FALSE(result.were_usable);
}

TEST_CASE("a VIP that is the host's own address is refused with the command that removes it") {
  LeftOversBench bench;
  AddressKeeper keeper = bench.keeper();
  CHECK(foreign_holding(bench.table(), std::vector{bench.vip}) == std::nullopt);
  bench.put("10.77.0.100/24", "eth0");
  CHECK(foreign_holding(bench.table(), std::vector{bench.vip}) ==
        "10.77.0.100 is an address of this host's own, 10.77.0.100/24 on eth0; remove it: "
        "ip addr del 10.77.0.100/24 dev eth0");
  CHECK(keeper.remove_left_overs().removed.empty());
  CHECK(contains(addresses_of(bench.holder), "10.77.0.100/24"));
}

TEST_CASE("an IPv6 VIP that is the host's own is refused too, a link-local one by its interface") {
  LeftOversBench bench;
  AddressKeeper keeper = bench.keeper();
  bench.put("fd77::100/64", "eth0");
  CHECK(foreign_holding(bench.table(), std::vector{bench.vip, bench.vip_v6}) ==
        "fd77::100 is an address of this host's own, fd77::100/64 on eth0; remove it: "
        "ip addr del fd77::100/64 dev eth0");
  CHECK(keeper.remove_left_overs().removed.empty());
  bench.make_interface("other");
  bench.put("fe80::100/64", "other");
  const std::vector link_local{bench.vip_link_local};
  CHECK(foreign_holding(bench.table(), link_local, "eth0") == std::nullopt);
  CHECK(contains(foreign_holding(bench.table(), link_local, "other").value_or(""), "on other"));
  CHECK(contains(foreign_holding(bench.table(), link_local).value_or(""), "on other"));
}

}  // namespace
}  // namespace vipward::test
