// Interfaces and addresses as the kernel tells them.
#include "lb/vip/link_watch.h"

#include <doctest/doctest.h>
#include <poll.h>

#include "lb/vip/address_keeper.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

bool is_readable(int fd, Millis limit) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, static_cast<int>(limit.count())) == 1;
}

TEST_CASE("a pulled cable is a lost carrier, and is told") {
  VipBench bench;
  REQUIRE(bench.table().is_usable("eth0"));
  bench.holder.pull_cable();
  REQUIRE(is_readable(bench.links().fd(), 5s));
  REQUIRE(wait_until([&] { return !bench.table().is_usable("eth0"); }, 5s));
  CHECK(bench.table().find("eth0")->is_up);
  CHECK_FALSE(bench.table().find("eth0")->has_carrier);
  bench.holder.plug_cable();
  CHECK(wait_until([&] { return bench.table().is_usable("eth0"); }, 5s));
}

TEST_CASE("an interface that is switched off is not up, whatever its carrier") {
  VipBench bench;
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
  REQUIRE(wait_until([&] { return !bench.table().find("eth0")->is_up; }, 5s));
  CHECK_FALSE(bench.table().is_usable("eth0"));
}

TEST_CASE("an interface is followed by its name: gone, made anew, renamed") {
  VipBench bench;
  CHECK(bench.table().find("uplink") == nullptr);
  bench.make_interface("uplink");
  const unsigned first = bench.index("uplink");
  CHECK(bench.links().table().find(first)->name == "uplink");
  run_ok(bench.holder, {"ip", "link", "del", "uplink"});
  CHECK(bench.table().find("uplink") == nullptr);
  CHECK(bench.links().table().source_for("uplink", ip("10.78.0.100"), {}) == std::nullopt);
  bench.make_interface("uplink");
  const unsigned second = bench.index("uplink");
  CHECK(second != first);
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "down"});
  run_ok(bench.holder, {"ip", "link", "set", "uplink", "name", "other"});
  CHECK(bench.table().find("uplink") == nullptr);
  CHECK(bench.index("other") == second);
}

TEST_CASE("a port that leaves its bridge is still an interface") {
  VipBench bench;
  bench.make_interface("port");
  run_ok(bench.holder, {"ip", "link", "add", "name", "bridge", "type", "bridge"});
  run_ok(bench.holder, {"ip", "link", "set", "port", "master", "bridge"});
  run_ok(bench.holder, {"ip", "link", "set", "port", "nomaster"});
  CHECK(bench.table().find("port") != nullptr);
}

TEST_CASE("the own address in the VIP's subnet and the interface of that subnet are found") {
  VipBench bench;
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.100/32", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.66/24", "dev", "eth0"});
  bench.make_interface("other");
  const LinkTable& table = bench.table();
  CHECK(table.source_for("eth0", bench.vip, std::vector{bench.vip}) == bench.holder.address());
  CHECK(table.source_for("eth0", bench.vip, std::vector{bench.vip, bench.holder.address()}) ==
        ip("10.77.0.66"));
  CHECK(table.source_for("other", bench.vip, std::vector{bench.vip}) == std::nullopt);
  CHECK(table.interfaces_towards(bench.vip) == std::vector<std::string>{"eth0"});
  CHECK(table.interfaces_towards(ip("10.78.0.100")) == std::vector<std::string>{"other"});
  CHECK(table.interfaces_towards(ip("10.79.0.100")).empty());
  CHECK(table.has_mac(table.find("eth0")->mac));
  CHECK(table.source_for("eth0", ip("fd77::100"), {}) == bench.holder.address_v6());
  CHECK(table.source_for("other", ip("fd78::100"), {}) == ip("fd78::10"));
  CHECK(table.interfaces_towards(ip("fd77::100")) == std::vector<std::string>{"eth0"});
  CHECK(table.link_local_of("eth0", {}) == bench.holder.link_local());
  CHECK(table.has_usable("eth0", bench.holder.address_v6()));
  CHECK_FALSE(table.has_usable("other", bench.holder.address_v6()));
  run_ok(bench.holder, {"ip", "address", "del", bench.holder.address().to_string() + "/24", "dev", "eth0"});
  CHECK(bench.table().source_for("eth0", bench.vip, std::vector{bench.vip}) != bench.holder.address());
}

TEST_CASE("events that were lost are made good by a dump, and the VIP that went among them is put back") {
  VipBench bench;
  const auto links = make_inside<LinkWatch>(bench.holder, NetlinkMonitor::Options{.receive_buffer_bytes = 1});
  AddressKeeper keeper({.addresses = {bench.vip},
                        .interface = "eth0",
                        .lifetime = 30s,
                        .state_file = bench.folder.file("state")},
                       *links);
  REQUIRE(keeper.add(Clock::now()) == std::nullopt);
  links->drain(Clock::now());
  REQUIRE(links->overruns() == 0);
  const unsigned index = links->table().find("eth0")->index;
  for (int i = 1; i < 100; ++i) {
    REQUIRE(links->requests().send(
                AddressRequest::Create,
                {.interface = index, .address = ip("10.77.1." + std::to_string(i)), .lifetime = 0s}) == 0);
  }
  run_ok(bench.holder, {"ip", "address", "del", "10.77.0.100/32", "dev", "eth0"});

  CHECK(links->drain(Clock::now()));
  CHECK(links->overruns() == 1);
  CHECK(links->table().find_host_address(index, ip("10.77.1.99")) != nullptr);
  CHECK(links->table().find_host_address(index, bench.vip) == nullptr);
  CHECK(keeper.repair());
  CHECK(keeper.restored() == 1);
  links->drain(Clock::now());
  CHECK(links->table().find_host_address(index, bench.vip) != nullptr);
  CHECK(links->next_deadline() == std::nullopt);
}

TEST_CASE("a request for an interface that is not there, or an address, is answered by its errno") {
  VipBench bench;
  NetlinkRequests& requests = bench.links().requests();
  const unsigned eth0 = bench.index();
  const VipPair pair = each_family();
  const HostAddress nowhere{.interface = 9999, .address = pair.second, .lifetime = 5s};
  const HostAddress here{.interface = eth0, .address = pair.second, .lifetime = 5s};
  CHECK(requests.send(AddressRequest::Ensure, nowhere) == ENODEV);
  CHECK(requests.send(AddressRequest::Renew, here) == EINVAL);
  CHECK(requests.send(AddressRequest::Remove, here) == EADDRNOTAVAIL);
  CHECK(requests.send(AddressRequest::Create, here) == 0);
  CHECK(requests.send(AddressRequest::Create, here) == EEXIST);
  CHECK(requests.send(AddressRequest::Ensure, here) == 0);
  CHECK(requests.send(AddressRequest::Renew, here) == 0);
  CHECK(requests.send(AddressRequest::Remove, here) == 0);
}

}  // namespace
}  // namespace vipward::test
