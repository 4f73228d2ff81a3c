#include "lb/net/link_table.h"

#include <doctest/doctest.h>

namespace vipward {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

NetlinkEvent link(unsigned index, const char* name) {
  Link link;
  link.index = index;
  link.name = name;
  link.is_up = link.has_carrier = true;
  return LinkEvent{.link = link, .is_gone = false};
}

NetlinkEvent address(unsigned index, const char* text) {
  const Cidr cidr = Cidr::parse(text).value();
  InterfaceAddress on;
  on.interface = index;
  on.address = cidr.address;
  on.prefix = cidr.prefix;
  return AddressEvent{.address = on, .is_gone = false};
}

NetlinkEvent gone(NetlinkEvent event) {
  std::visit([](auto& one) { one.is_gone = true; }, event);
  return event;
}

LinkTable table_of(const std::vector<NetlinkEvent>& events) {
  LinkTable table;
  table.replace_all(events);
  return table;
}

TEST_CASE("an event that says nothing new changes nothing") {
  LinkTable table;
  CHECK(table.apply(link(2, "eth0")));
  CHECK_FALSE(table.apply(link(2, "eth0")));
  CHECK(table.apply(address(2, "10.0.0.10/24")));
  CHECK_FALSE(table.apply(address(2, "10.0.0.10/24")));
  CHECK_FALSE(table.apply(gone(address(2, "10.0.0.11/24"))));
  CHECK_FALSE(table.apply(gone(link(3, "eth1"))));
  CHECK(table.apply(gone(address(2, "10.0.0.10/24"))));
  CHECK(table.apply(gone(link(2, "eth0"))));
}

TEST_CASE("one address with two prefixes is two") {
  LinkTable table = table_of({link(2, "eth0"), address(2, "10.0.0.100/24"), address(2, "10.0.0.100/32")});
  CHECK(table.addresses().size() == 2);
  table.apply(gone(address(2, "10.0.0.100/24")));
  CHECK(table.find_host_address(2, ip("10.0.0.100")) != nullptr);
}

TEST_CASE("an interface that goes takes its addresses along") {
  LinkTable table =
      table_of({link(2, "eth0"), link(3, "eth1"), address(2, "10.0.0.10/24"), address(3, "10.1.0.10/24")});
  table.apply(gone(link(2, "eth0")));
  REQUIRE(table.addresses().size() == 1);
  CHECK(table.addresses()[0].interface == 3);
}

TEST_CASE("an interface is usable when it is there, up and has carrier") {
  NetlinkEvent event = link(2, "eth0");
  Link& state = std::get<LinkEvent>(event).link;
  LinkTable table;
  CHECK_FALSE(table.is_usable("eth0"));
  table.apply(event);
  CHECK(table.is_usable("eth0"));
  state.has_carrier = false;
  CHECK(table.apply(event));
  CHECK_FALSE(table.is_usable("eth0"));
  state.has_carrier = true;
  state.is_up = false;
  CHECK(table.apply(event));
  CHECK_FALSE(table.is_usable("eth0"));
}

TEST_CASE("the source of VRRP packets is the first address in the VIP's subnet that is no VIP") {
  const LinkTable table =
      table_of({link(2, "eth0"), link(3, "eth1"), address(3, "10.0.0.9/24"), address(2, "192.0.2.1/24"),
                address(2, "10.0.0.100/24"), address(2, "10.0.0.101/32"), address(2, "10.0.0.10/24"),
                address(2, "10.0.0.11/24")});
  const std::vector<IpAddress> vips{ip("10.0.0.100"), ip("10.0.0.101")};
  CHECK(table.source_for("eth0", ip("10.0.0.100"), vips) == ip("10.0.0.10"));
  CHECK(table.source_for("eth1", ip("10.0.0.100"), vips) == ip("10.0.0.9"));
  CHECK(table.source_for("eth0", ip("10.0.9.100"), vips) == std::nullopt);
  CHECK(table.source_for("eth2", ip("10.0.0.100"), vips) == std::nullopt);
}

TEST_CASE("the interfaces towards an address: the narrowest subnet first, never by the address alone") {
  const LinkTable table =
      table_of({link(1, "lo"), link(2, "eth0"), link(3, "eth1"), address(1, "10.0.0.100/32"),
                address(2, "10.0.0.10/8"), address(3, "10.0.0.11/24"), address(3, "10.0.0.12/24")});
  CHECK(table.interfaces_towards(ip("10.0.0.100")) == std::vector<std::string>{"eth1", "eth0"});
  CHECK(table.interfaces_towards(ip("10.9.0.100")) == std::vector<std::string>{"eth0"});
  CHECK(table.interfaces_towards(ip("192.0.2.1")).empty());
}

}  // namespace
}  // namespace vipward
