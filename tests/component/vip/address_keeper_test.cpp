// The VIP in the kernel: put on, renewed, put back, taken off.
#include "lb/vip/address_keeper.h"

#include <doctest/doctest.h>
#include <linux/if_addr.h>

#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct KeeperBench : VipBench {
  AddressKeeper keeper(std::chrono::seconds lifetime, const std::string& interface = "eth0") {
    return AddressKeeper({.addresses = {vip, second},
                          .interface = interface,
                          .lifetime = lifetime,
                          .state_file = folder.file("state")},
                         links());
  }
  void take(AddressKeeper& keeper, const std::string& interface = "eth0") {
    REQUIRE(keeper.add(Clock::now()) == std::nullopt);
    REQUIRE(comes_on(vip, interface));
    REQUIRE(comes_on(second, interface));
  }
  std::string record(const std::string& interface) const {
    return vip.to_string() + " " + interface + "\n" + second.to_string() + " " + interface + "\n";
  }
  const VipPair pair = each_family();
  const IpAddress vip = pair.first;
  const IpAddress second = pair.second;
};

// The beginning of what `ip` says of a VIP that is held.
std::string line_of(const IpAddress& vip) {
  if (vip.is_v4()) return "inet " + host_prefix(vip) + " scope global dynamic noprefixroute";
  const std::string scope = vip.is_link_local() ? "link" : "global";
  return "inet6 " + host_prefix(vip) + " scope " + scope + " nodad deprecated dynamic noprefixroute";
}

// Runs the keeper as the driver does, except for the repair, for `span`; whether the address was on all
// along.
bool stays_on(KeeperBench& bench, AddressKeeper& keeper, Duration span) {
  const TimePoint end = Clock::now() + span;
  bool stayed = true;
  while (Clock::now() < end) {
    std::this_thread::sleep_until(std::min(end, keeper.next_deadline().value_or(end)));
    stayed = bench.is_on(bench.vip) && bench.is_on(bench.second) && stayed;
    keeper.renew(Clock::now());
  }
  return stayed;
}

TEST_CASE("a held address is a /32 or /128 of protocol 112 with a lifetime and no route of its own") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  bench.take(keeper);
  const std::string lines = addresses_of(bench.holder);
  CAPTURE(lines);
  const unsigned index = bench.index();
  for (const IpAddress& vip : {bench.vip, bench.second}) {
    CHECK(contains(lines, line_of(vip)));
    CHECK(contains(lines,
                   vip.is_v4() ? "valid_lft 5sec preferred_lft 5sec" : "valid_lft 5sec preferred_lft 0sec"));
    const InterfaceAddress* seen = bench.table().find_host_address(index, vip);
    REQUIRE(seen != nullptr);
    CHECK(seen->protocol == kAddressProtocolVrrp);
    CHECK((seen->flags & IFA_F_NOPREFIXROUTE) != 0);
    CHECK(bench.table().has_usable("eth0", vip));
  }
  CHECK(keeper.is_holding());

  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK_FALSE(bench.is_on(bench.second));
  CHECK_FALSE(keeper.is_holding());
  CHECK(keeper.next_deadline() == std::nullopt);
}

TEST_CASE("without a lifetime an address is permanent and nothing is ever due") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(0s);
  bench.take(keeper);
  for (const IpAddress& vip : {bench.vip, bench.second}) {
    const InterfaceAddress* seen = bench.table().find_host_address(bench.index(), vip);
    REQUIRE(seen != nullptr);
    CHECK((seen->flags & IFA_F_PERMANENT) != 0);
  }
  CHECK(keeper.next_deadline() == std::nullopt);
}

TEST_CASE("an address that nobody renews any more goes by itself") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(1s);
  bench.take(keeper);
  CHECK(bench.comes_on(bench.vip));
  const TimePoint added = Clock::now();
  CHECK(wait_until([&] { return !bench.is_on(bench.vip) && !bench.is_on(bench.second); }, 10s));
  CHECK(Clock::now() - added > 900ms);
  MESSAGE(bench.vip.to_string() << ", " << bench.second.to_string() << " gone after "
                                << std::chrono::duration_cast<Millis>(Clock::now() - added).count() << " ms");
}

TEST_CASE("a renewed address stays beyond its lifetime, and its echoes are no change") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(1s);
  const TimePoint now = Clock::now();
  REQUIRE(keeper.add(now) == std::nullopt);
  CHECK(keeper.next_deadline() == now + 250ms);
  REQUIRE(bench.comes_on(bench.second));
  REQUIRE(bench.comes_on(bench.vip));
  CHECK(stays_on(bench, keeper, 2500ms));
  keeper.renew(*keeper.next_deadline());
  CHECK_FALSE(bench.links().drain(Clock::now()));
  CHECK_FALSE(keeper.repair());
  CHECK(keeper.restored() == 0);
  const std::string lines = addresses_of(bench.holder);
  CAPTURE(lines);
  for (const IpAddress& vip : {bench.vip, bench.second}) CHECK(contains(lines, line_of(vip)));
  CHECK(bench.table().find_host_address(bench.index(), bench.vip)->protocol == kAddressProtocolVrrp);
}

TEST_CASE("the echo of a renewal is no change from the first on") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  bench.take(keeper);
  keeper.renew(*keeper.next_deadline());
  CHECK_FALSE(bench.links().drain(Clock::now()));
}

TEST_CASE("renewing does not bring back an address that has gone") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  bench.take(keeper);
  run_ok(bench.holder, {"ip", "address", "del", host_prefix(bench.vip), "dev", "eth0"});
  keeper.renew(*keeper.next_deadline());
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK(bench.comes_on(bench.second));
}

TEST_CASE("a held address that somebody removes is put back and counted, one that was released is not") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  bench.take(keeper);
  REQUIRE(bench.comes_on(bench.vip));
  CHECK_FALSE(keeper.repair());
  run_ok(bench.holder, {"ip", "address", "del", host_prefix(bench.vip), "dev", "eth0"});
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK(keeper.repair());
  CHECK(keeper.restored() == 1);
  CHECK(bench.comes_on(bench.vip));
  CHECK_FALSE(keeper.repair());
  CHECK(contains(addresses_of(bench.holder), line_of(bench.vip)));

  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK_FALSE(keeper.repair());
  CHECK(keeper.restored() == 1);
}

TEST_CASE("a table that is behind does not make the keeper count what nobody removed") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  // Not drained: the table knows nothing of the addresses yet.
  CHECK_FALSE(keeper.repair());
  CHECK(keeper.restored() == 0);
}

TEST_CASE("the address returns to an interface that was made anew under its name") {
  KeeperBench bench;
  bench.make_interface("uplink");
  const unsigned before = bench.index("uplink");
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  bench.take(keeper, "uplink");
  REQUIRE(bench.comes_on(bench.vip, "uplink"));
  run_ok(bench.holder, {"ip", "link", "del", "uplink"});
  CHECK(bench.table().find("uplink") == nullptr);
  CHECK_FALSE(keeper.repair());
  bench.make_interface("uplink");
  CHECK(bench.index("uplink") != before);
  CHECK(keeper.repair());
  CHECK(keeper.restored() == 2);
  CHECK(bench.comes_on(bench.vip, "uplink"));
  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip, "uplink"));
}

TEST_CASE("an address goes from the interface it is on, whatever that is called by now") {
  KeeperBench bench;
  bench.make_interface("uplink");
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  REQUIRE(bench.table().is_usable("uplink"));
  bench.take(keeper, "uplink");
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "down"});
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "name", "renamed"});
  // Those of IPv6 have gone with the interface's being up.
  CHECK(bench.is_on(bench.vip, "renamed") == bench.vip.is_v4());
  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip, "renamed"));
  CHECK_FALSE(bench.is_on(bench.second, "renamed"));
}

TEST_CASE("the address moves to the interface that has the name now") {
  KeeperBench bench;
  bench.make_interface("uplink");
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  REQUIRE(bench.table().is_usable("uplink"));
  bench.take(keeper, "uplink");
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "down"});
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "name", "renamed"});
  bench.make_interface("uplink");
  REQUIRE(bench.table().find("uplink") != nullptr);
  CHECK(keeper.repair());
  CHECK(bench.comes_on(bench.vip, "uplink"));
  CHECK_FALSE(bench.is_on(bench.vip, "renamed"));
}

TEST_CASE(
    "an interface that is missing is said; the address is put on it once it is there, which restores "
    "nothing") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  CHECK(keeper.add(Clock::now()) == "interface uplink does not exist");
  CHECK(read_file(bench.folder.file("state")) == bench.record("uplink"));
  bench.make_interface("uplink");
  CHECK_FALSE(bench.is_on(bench.vip, "uplink"));
  CHECK(keeper.repair());
  CHECK(bench.comes_on(bench.vip, "uplink"));
  CHECK(keeper.restored() == 0);
  CHECK(keeper.remove(Clock::now()) == std::nullopt);
}

TEST_CASE("the state file names what is held while it is held") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  bench.take(keeper);
  CHECK(read_file(bench.folder.file("state")) == bench.record("eth0"));
  CHECK(keeper.state_file_problem() == std::nullopt);
  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));
}

TEST_CASE("a state file that cannot be written is said and keeps no address off") {
  KeeperBench bench;
  AddressKeeper keeper({.addresses = {bench.vip},
                        .interface = "eth0",
                        .lifetime = 5s,
                        .state_file = bench.folder.file("missing/state")},
                       bench.links());
  CHECK(keeper.add(Clock::now()) == std::nullopt);
  CHECK(bench.comes_on(bench.vip));
  CHECK(keeper.state_file_problem() ==
        "cannot write " + bench.folder.file("missing/state.new") + ": No such file or directory");
}

TEST_CASE("the cost of add, renew and remove") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  constexpr int kRounds = 200;
  Duration add{};
  Duration renew{};
  Duration remove{};
  for (int round = 0; round < kRounds; ++round) {
    const TimePoint start = Clock::now();
    REQUIRE(keeper.add(start) == std::nullopt);
    const TimePoint added = Clock::now();
    keeper.renew(*keeper.next_deadline());
    const TimePoint renewed = Clock::now();
    REQUIRE(keeper.remove(renewed) == std::nullopt);
    add += added - start;
    renew += renewed - added;
    remove += Clock::now() - renewed;
  }
  const auto mean = [&](Duration sum) {
    return std::chrono::duration_cast<std::chrono::microseconds>(sum / kRounds).count();
  };
  MESSAGE(bench.vip.to_string() << ", " << bench.second.to_string() << ", mean us: add " << mean(add)
                                << ", renew " << mean(renew) << ", remove " << mean(remove));
}

}  // namespace
}  // namespace vipward::test
