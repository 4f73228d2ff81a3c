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
  const IpAddress second = ip("10.77.0.101");
};

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

TEST_CASE("a held address is a /32 of protocol 112 with a lifetime and no route of its own") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  const std::string lines = addresses_of(bench.holder);
  CAPTURE(lines);
  CHECK(contains(lines, "inet 10.77.0.100/32 scope global dynamic noprefixroute eth0"));
  CHECK(contains(lines, "inet 10.77.0.101/32 scope global dynamic noprefixroute eth0"));
  CHECK(contains(lines, "valid_lft 5sec preferred_lft 5sec"));
  const unsigned index = bench.index();
  const InterfaceAddress* seen = bench.table().find_host_address(index, bench.vip);
  REQUIRE(seen != nullptr);
  CHECK(seen->protocol == kAddressProtocolVrrp);
  CHECK((seen->flags & IFA_F_NOPREFIXROUTE) != 0);
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
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  CHECK(contains(addresses_of(bench.holder), "valid_lft forever preferred_lft forever"));
  CHECK(keeper.next_deadline() == std::nullopt);
}

TEST_CASE("an address that nobody renews any more goes by itself") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(1s);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  CHECK(bench.is_on(bench.vip));
  const TimePoint added = Clock::now();
  CHECK(wait_until([&] { return !bench.is_on(bench.vip) && !bench.is_on(bench.second); }, 10s));
  CHECK(Clock::now() - added > 900ms);
  MESSAGE("gone after " << std::chrono::duration_cast<Millis>(Clock::now() - added).count() << " ms");
}

TEST_CASE("a renewed address stays beyond its lifetime, and its echoes are no change") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(1s);
  const TimePoint now = Clock::now();
  REQUIRE(keeper.add(now) == std::nullopt);
  CHECK(keeper.next_deadline() == now + 250ms);
  REQUIRE(bench.is_on(bench.vip));
  CHECK(stays_on(bench, keeper, 2500ms));
  keeper.renew(*keeper.next_deadline());
  CHECK_FALSE(bench.links().drain(Clock::now()));
  CHECK_FALSE(keeper.repair());
  CHECK(keeper.restored() == 0);
}

TEST_CASE("renewing does not bring back an address that has gone") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  run_ok(bench.holder, {"ip", "address", "del", "10.77.0.100/32", "dev", "eth0"});
  keeper.renew(*keeper.next_deadline());
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK(bench.is_on(bench.second));
}

TEST_CASE("a held address that somebody removes is put back and counted, one that was released is not") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  REQUIRE(bench.is_on(bench.vip));
  CHECK_FALSE(keeper.repair());
  run_ok(bench.holder, {"ip", "address", "del", "10.77.0.100/32", "dev", "eth0"});
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK(keeper.repair());
  CHECK(keeper.restored() == 1);
  CHECK(bench.is_on(bench.vip));
  CHECK_FALSE(keeper.repair());
  CHECK(contains(addresses_of(bench.holder), "inet 10.77.0.100/32 scope global dynamic noprefixroute eth0"));

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
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  REQUIRE(bench.is_on(bench.vip, "uplink"));
  run_ok(bench.holder, {"ip", "link", "del", "uplink"});
  CHECK(bench.table().find("uplink") == nullptr);
  CHECK_FALSE(keeper.repair());
  bench.make_interface("uplink");
  CHECK(bench.index("uplink") != before);
  CHECK(keeper.repair());
  CHECK(keeper.restored() == 2);
  CHECK(bench.is_on(bench.vip, "uplink"));
  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip, "uplink"));
}

TEST_CASE("an address goes from the interface it is on, whatever that is called by now") {
  KeeperBench bench;
  bench.make_interface("uplink");
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  REQUIRE(bench.table().is_usable("uplink"));
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "down"});
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "name", "renamed"});
  REQUIRE(bench.is_on(bench.vip, "renamed"));
  REQUIRE(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip, "renamed"));
}

TEST_CASE("the address moves to the interface that has the name now") {
  KeeperBench bench;
  bench.make_interface("uplink");
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  REQUIRE(bench.table().is_usable("uplink"));
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "down"});
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "name", "renamed"});
  bench.make_interface("uplink");
  REQUIRE(bench.table().find("uplink") != nullptr);
  CHECK(keeper.repair());
  CHECK(bench.is_on(bench.vip, "uplink"));
  CHECK_FALSE(bench.is_on(bench.vip, "renamed"));
}

TEST_CASE(
    "an interface that is missing is said; the address is put on it once it is there, which restores "
    "nothing") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s, "uplink");
  CHECK(keeper.add(Clock::now()) == "interface uplink does not exist");
  CHECK(read_file(bench.folder.file("state")) == "10.77.0.100 uplink\n10.77.0.101 uplink\n");
  bench.make_interface("uplink");
  CHECK_FALSE(bench.is_on(bench.vip, "uplink"));
  CHECK(keeper.repair());
  CHECK(bench.is_on(bench.vip, "uplink"));
  CHECK(keeper.restored() == 0);
  CHECK(keeper.remove(Clock::now()) == std::nullopt);
}

TEST_CASE("the state file names what is held while it is held") {
  KeeperBench bench;
  AddressKeeper keeper = bench.keeper(5s);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  CHECK(read_file(bench.folder.file("state")) == "10.77.0.100 eth0\n10.77.0.101 eth0\n");
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
  CHECK(bench.is_on(bench.vip));
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
  MESSAGE("two addresses, mean us: add " << mean(add) << ", renew " << mean(renew) << ", remove "
                                         << mean(remove));
}

}  // namespace
}  // namespace vipward::test
