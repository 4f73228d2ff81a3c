#include "lb/net/link_table.h"

#include <doctest/doctest.h>
#include <linux/if_addr.h>

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

NetlinkEvent address(unsigned index, const char* text, std::uint32_t flags = 0) {
  const Cidr cidr = Cidr::parse(text).value();
  InterfaceAddress on;
  on.interface = index;
  on.address = cidr.address;
  on.prefix = cidr.prefix;
  on.flags = flags;
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

TEST_CASE("a host address is a /32 or a /128") {
  const LinkTable table = table_of(
      {link(2, "eth0"), address(2, "fd00::100/128"), address(2, "fd00::10/64"), address(2, "fd00::32/32")});
  CHECK(table.find_host_address(2, ip("fd00::100")) != nullptr);
  CHECK(table.find_host_address(3, ip("fd00::100")) == nullptr);
  CHECK(table.find_host_address(2, ip("fd00::10")) == nullptr);
  CHECK(table.find_host_address(2, ip("fd00::32")) == nullptr);
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

TEST_CASE("a source is cleared by duplicate address detection") {
  const auto with = [](std::uint32_t flags) {
    return table_of({link(2, "eth0"), address(2, "fd00::10/64", flags), address(2, "fe80::10/64", flags)});
  };
  for (const std::uint32_t flags : {IFA_F_TENTATIVE, IFA_F_TENTATIVE | IFA_F_DADFAILED, IFA_F_DADFAILED,
                                    IFA_F_TENTATIVE | IFA_F_OPTIMISTIC | IFA_F_DADFAILED}) {
    CAPTURE(flags);
    CHECK(with(flags).source_for("eth0", ip("fd00::100"), {}) == std::nullopt);
    CHECK(with(flags).link_local_of("eth0", {}) == std::nullopt);
    CHECK_FALSE(with(flags).has_usable("eth0", ip("fd00::10")));
  }
  for (const std::uint32_t flags :
       {0, IFA_F_PERMANENT, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC, IFA_F_DEPRECATED, IFA_F_TEMPORARY}) {
    CAPTURE(flags);
    CHECK(with(flags).source_for("eth0", ip("fd00::100"), {}) == ip("fd00::10"));
    CHECK(with(flags).link_local_of("eth0", {}) == ip("fe80::10"));
    CHECK(with(flags).has_usable("eth0", ip("fd00::10")));
  }
}

TEST_CASE("a usable address is asked for by interface, whatever its prefix") {
  const LinkTable table = table_of({link(2, "eth0"), link(3, "eth1"), address(2, "fd00::10/64"),
                                    address(2, "fd00::100/128"), address(3, "10.0.0.10/24")});
  CHECK(table.has_usable("eth0", ip("fd00::10")));
  CHECK(table.has_usable("eth0", ip("fd00::100")));
  CHECK(table.has_usable("eth1", ip("10.0.0.10")));
  CHECK_FALSE(table.has_usable("eth1", ip("fd00::10")));
  CHECK_FALSE(table.has_usable("eth2", ip("fd00::10")));
}

TEST_CASE("a deprecated source loses, then a temporary one") {
  std::vector<NetlinkEvent> events{link(2, "eth0"), address(2, "fd00::1/64", IFA_F_DEPRECATED)};
  const auto source = [&] { return table_of(events).source_for("eth0", ip("fd00::100"), {}); };
  CHECK(source() == ip("fd00::1"));
  events.push_back(address(2, "fd00::2/64", IFA_F_TEMPORARY));
  CHECK(source() == ip("fd00::2"));
  events.push_back(address(2, "fd00::3/64"));
  CHECK(source() == ip("fd00::3"));
  const LinkTable v4 = table_of({link(2, "eth0"), address(2, "10.0.0.10/24", IFA_F_DEPRECATED),
                                 address(2, "10.0.0.12/24", IFA_F_SECONDARY), address(2, "10.0.0.11/24")});
  CHECK(v4.source_for("eth0", ip("10.0.0.100"), {}) == ip("10.0.0.12"));
}

TEST_CASE("an IPv6 source is the same in whatever order the kernel lists them") {
  const std::vector<NetlinkEvent> order{link(2, "eth0"), address(2, "fd00::11/64"), address(2, "fd00::10/64"),
                                        address(2, "fe80::b/64"), address(2, "fe80::a/64")};
  std::vector<NetlinkEvent> other(order.rbegin(), order.rend());
  for (const auto& events : {order, other}) {
    const LinkTable table = table_of(events);
    CHECK(table.source_for("eth0", ip("fd00::100"), {}) == ip("fd00::10"));
    CHECK(table.link_local_of("eth0", {}) == ip("fe80::a"));
  }
}

TEST_CASE("the link-local address of an interface is one of its own and no VIP") {
  const LinkTable table = table_of(
      {link(2, "eth0"), link(3, "eth1"), link(4, "eth2"), address(3, "fe80::3/64"), address(2, "fe80::1/128"),
       address(2, "fd00::10/64"), address(2, "10.0.0.10/24"), address(2, "fe80::2/64", IFA_F_PERMANENT)});
  const std::vector<IpAddress> vips{ip("fd00::100"), ip("fe80::1")};
  CHECK(table.link_local_of("eth0", vips) == ip("fe80::2"));
  CHECK(table.link_local_of("eth1", vips) == ip("fe80::3"));
  CHECK(table.link_local_of("eth2", vips) == std::nullopt);
  CHECK(table.link_local_of("eth3", vips) == std::nullopt);
  CHECK(table.source_for("eth0", ip("fe80::1"), vips) == ip("fe80::2"));
}

TEST_CASE("the interfaces towards an address: the narrowest subnet first, never by the address alone") {
  const LinkTable table =
      table_of({link(1, "lo"), link(2, "eth0"), link(3, "eth1"), address(1, "10.0.0.100/32"),
                address(2, "10.0.0.10/8"), address(3, "10.0.0.11/24"), address(3, "10.0.0.12/24")});
  CHECK(table.interfaces_towards(ip("10.0.0.100")) == std::vector<std::string>{"eth1", "eth0"});
  CHECK(table.interfaces_towards(ip("10.9.0.100")) == std::vector<std::string>{"eth0"});
  CHECK(table.interfaces_towards(ip("192.0.2.1")).empty());
}

TEST_CASE("the interfaces towards an IPv6 address, of which a link-local one has none") {
  const LinkTable table =
      table_of({link(1, "lo"), link(2, "eth0"), link(3, "eth1"), address(1, "fd00::100/128"),
                address(2, "fe80::2/64"), address(2, "fd00::10/48"), address(3, "fe80::3/64"),
                address(3, "fd00::11/64"), address(2, "10.0.0.10/8")});
  CHECK(table.interfaces_towards(ip("fd00::100")) == std::vector<std::string>{"eth1", "eth0"});
  CHECK(table.interfaces_towards(ip("fd00:0:0:1::100")) == std::vector<std::string>{"eth0"});
  CHECK(table.interfaces_towards(ip("fd01::1")).empty());
  CHECK(table.interfaces_towards(ip("fe80::100")).empty());
}

}  // namespace
}  // namespace vipward
