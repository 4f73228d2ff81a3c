// An AddressKeeper made from what another one held.
#include <doctest/doctest.h>

#include "lb/vip/address_keeper.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct MemoryBench : VipBench {
  AddressKeeper keeper(std::vector<IpAddress> addresses, std::chrono::seconds lifetime = 5s) {
    links().drain(Clock::now());
    return AddressKeeper({.addresses = std::move(addresses),
                          .interface = "eth0",
                          .lifetime = lifetime,
                          .state_file = folder.file("state")},
                         links());
  }
  // What one that holds `addresses` leaves.
  KeeperMemory held(std::vector<IpAddress> addresses) {
    AddressKeeper before = keeper(std::move(addresses));
    REQUIRE(before.add(Clock::now()) == std::nullopt);
    return before.memory();
  }
  std::string record() const { return read_file(folder.file("state")); }
  const VipPair pair = each_family();
  const IpAddress vip = pair.first;
  const IpAddress second = pair.second;
  const std::string first_line = vip.to_string() + " eth0\n";
  const std::string second_line = second.to_string() + " eth0\n";
};

TEST_CASE("what is held and configured is renewed at once, with the new lifetime") {
  MemoryBench bench;
  const KeeperMemory memory = bench.held({bench.vip});
  AddressKeeper keeper = bench.keeper({bench.vip}, 40s);
  const TimePoint now = Clock::now();
  keeper.go_on(now, memory);
  CHECK(keeper.is_holding());
  CHECK(keeper.next_deadline() == now);
  CHECK_FALSE(keeper.repair());
  keeper.renew(now);
  CHECK(contains(addresses_of(bench.holder), "valid_lft 40sec"));
  CHECK(keeper.restored() == 0);
  CHECK(keeper.surplus().empty());
}

TEST_CASE("what is no longer configured stays in the record until it is off") {
  MemoryBench bench;
  const KeeperMemory memory = bench.held({bench.vip, bench.second});
  AddressKeeper keeper = bench.keeper({bench.vip});
  keeper.go_on(Clock::now(), memory);
  CHECK(keeper.surplus() == std::vector{bench.second});
  CHECK(bench.comes_on(bench.second));
  CHECK(bench.record() == bench.first_line + bench.second_line);
  CHECK(keeper.drop_surplus(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.second));
  CHECK(bench.comes_on(bench.vip));
  CHECK(keeper.surplus().empty());
  CHECK(bench.record() == bench.first_line);
}

TEST_CASE("what is new is recorded before it is on, and is nothing that somebody had removed") {
  MemoryBench bench;
  const KeeperMemory memory = bench.held({bench.vip});
  AddressKeeper keeper = bench.keeper({bench.vip, bench.second});
  keeper.go_on(Clock::now(), memory);
  CHECK(bench.record() == bench.first_line + bench.second_line);
  CHECK_FALSE(bench.is_on(bench.second));
  CHECK(keeper.repair());
  CHECK(bench.comes_on(bench.second));
  CHECK(keeper.restored() == 0);
}

TEST_CASE("what somebody removed meanwhile is put back and counted") {
  MemoryBench bench;
  const KeeperMemory memory = bench.held({bench.vip});
  bench.holder.remove_address(bench.vip);
  AddressKeeper keeper = bench.keeper({bench.vip});
  keeper.go_on(Clock::now(), memory);
  CHECK(keeper.repair());
  CHECK(keeper.restored() == 1);
}

TEST_CASE("a removal of everything takes the surplus along") {
  MemoryBench bench;
  const KeeperMemory memory = bench.held({bench.vip, bench.second});
  AddressKeeper keeper = bench.keeper({bench.vip});
  keeper.go_on(Clock::now(), memory);
  CHECK(keeper.remove(Clock::now()) == std::nullopt);
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK_FALSE(bench.is_on(bench.second));
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));
}

TEST_CASE("an address that should have gone already is tried again, configured or not") {
  MemoryBench bench;
  KeeperMemory memory = bench.held({bench.vip, bench.second});
  memory.wanted = false;
  AddressKeeper keeper = bench.keeper({bench.vip});
  const TimePoint now = Clock::now();
  keeper.go_on(now, memory);
  CHECK_FALSE(keeper.is_holding());
  CHECK_FALSE(keeper.repair());
  CHECK(bench.record() == bench.first_line + bench.second_line);
  keeper.renew(now);
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK_FALSE(bench.is_on(bench.second));
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));
}

}  // namespace
}  // namespace vipward::test
