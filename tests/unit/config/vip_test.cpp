#include <doctest/doctest.h>

#include "config/listen_addresses.h"
#include "config/vip_family.h"
#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

using namespace std::chrono_literals;

// `keys` begin in line 1, column 7.
std::string with_vip_keys(const std::string& keys) {
  return with_top_keys("vip: {" + keys + "}");
}

VipConfig vip_of(const std::string& keys) {
  return config_of(with_vip_keys(keys)).vip.value();
}

TEST_CASE("a VIP with nothing but addresses gets every default of the contract") {
  const VipConfig vip = vip_of("addresses: [\"fd00::100/64\", 10.0.0.100/24]");
  REQUIRE(vip.addresses.size() == 2);
  CHECK(vip.addresses[1].to_string() == "10.0.0.100/24");
  CHECK(vip.peers.empty());
  CHECK_FALSE(vip.interface.has_value());
  CHECK(vip.track_interfaces.empty());
  CHECK(vip.virtual_router_id == 100);
  CHECK(vip.priority == 100);
  CHECK(vip.version == 3);
  CHECK(vip.advertise_interval == 200ms);
  CHECK(vip.failback == FailbackMode::Never);
  CHECK(vip.startup_delay == 5s);
  CHECK_FALSE(vip.release_on_no_backend);
  CHECK(vip.checksum == VrrpChecksum::PseudoHeader);
  CHECK_FALSE(vip.v2_password_file.has_value());
  CHECK_FALSE(vip.address_lifetime.has_value());
  CHECK(vip.garp_refresh == 30s);
}

TEST_CASE("every key of a VIP is taken over") {
  const VipConfig vip = vip_of(
      "addresses: [10.0.0.100], peers: [10.0.0.21, 10.0.0.22], interface: eth0.5, track_interfaces: [eth1, "
      "bond0], "
      "virtual_router_id: 255, priority: 254, version: 2, advertise_interval: 3s, failback: 5m, "
      "startup_delay: 0s, "
      "on_no_backend: release, checksum: pseudo_header, v2_password_file: /p, address_lifetime: 0s, "
      "garp_refresh: "
      "1m");
  CHECK(vip.addresses.at(0).to_string() == "10.0.0.100/32");
  CHECK(vip.peers.size() == 2);
  CHECK(vip.interface == "eth0.5");
  CHECK(vip.track_interfaces == std::vector<std::string>{"eth1", "bond0"});
  CHECK(vip.virtual_router_id == 255);
  CHECK(vip.priority == 254);
  CHECK(vip.version == 2);
  CHECK(vip.advertise_interval == 3s);
  CHECK(vip.failback == FailbackMode::After);
  CHECK(vip.failback_delay == 5min);
  CHECK(vip.startup_delay == 0s);
  CHECK(vip.release_on_no_backend);
  CHECK(vip.v2_password_file == "/p");
  CHECK(vip.address_lifetime == 0s);
  CHECK(vip.garp_refresh == 1min);
  CHECK(vip_of("addresses: [10.0.0.100], checksum: rfc9568").checksum == VrrpChecksum::Rfc9568);
}

TEST_CASE("the default interval of version 2 is one second") {
  CHECK(vip_of("addresses: [10.0.0.1], version: 2").advertise_interval == 1s);
  CHECK(vip_of("addresses: [10.0.0.1], advertise_interval: 40.95s").advertise_interval == 40950ms);
  CHECK(vip_of("addresses: [10.0.0.1], failback: immediately").failback == FailbackMode::Immediately);
  CHECK(vip_of("addresses: [10.0.0.1], virtual_router_id: auto").virtual_router_id == 1);
  CHECK(vip_of("addresses: [\"fd00::1\"], virtual_router_id: 9").virtual_router_id == 9);
}

TEST_CASE("what a VIP must not say") {
  const std::string a = "addresses: [10.0.0.100/24], ";  // what follows begins in column 35
  const std::string host = " is not a host's address, allowed: ";
  const std::vector<Case> cases{
      {"priority: 1", "1:6: vip.addresses: required, a list of at least one address such as 10.0.0.100/24"},
      {"addresses: []",
       "1:18: vip.addresses: must not be empty, a list of at least one address such as 10.0.0.100/24"},
      {"addresses: 10.0.0.1", "1:18: vip.addresses: must be a list, not a single value"},
      {"addresses: [10.0.0.1/33]",
       "1:19: vip.addresses[0]: \"10.0.0.1/33\"" + host + "10.0.0.100/24 or fd00::100/64"},
      {"addresses: [0.0.0.0, 10.0.0.1]",
       "1:19: vip.addresses[0]: \"0.0.0.0\"" + host + "10.0.0.100/24 or fd00::100/64"},
      {"addresses: [10.0.0.1, 10.0.0.1/24]", "1:29: vip.addresses[1]: 10.0.0.1 is in the list already"},
      {"addresses: [10.0.0.0/24]",
       "1:6: vip.virtual_router_id: required because the last octet of 10.0.0.0 is 0, allowed: 1 to 255, the "
       "same on "
       "all hosts"},
      {"addresses: [\"fd00::1/64\"]",
       "1:6: vip.virtual_router_id: required without an IPv4 address, allowed: 1 to 255, the same on all "
       "hosts"},
      {"addresses: [\"fd00::1/64\"], virtual_router_id: auto",
       "1:53: vip.virtual_router_id: required without an IPv4 address, allowed: 1 to 255, the same on all "
       "hosts"},
      {a + "virtual_router_id: 0", "1:54: vip.virtual_router_id: 0 is out of range, allowed: 1 to 255"},
      {a + "virtual_router_id: null", "1:54: vip.virtual_router_id: must not be empty"},
      {a + "priority: 255", "1:45: vip.priority: 255 is out of range, allowed: 1 to 254"},
      {a + "version: 4", "1:44: vip.version: \"4\" is unknown, allowed: 3, 2"},
      {a + "advertise_interval: 5ms",
       "1:55: vip.advertise_interval: 5ms is out of range, allowed: 10ms to 40.95s in steps of 10ms"},
      {a + "advertise_interval: 205ms",
       "1:55: vip.advertise_interval: 205ms is not a multiple of 10ms, allowed: 10ms to 40.95s in steps of "
       "10ms"},
      {a + "version: 2, advertise_interval: 200ms",
       "1:67: vip.advertise_interval: 200ms is out of range, allowed: 1s to 255s in steps of 1s"},
      {a + "version: 2, advertise_interval: 1500ms",
       "1:67: vip.advertise_interval: 1500ms is not a multiple of 1s, allowed: 1s to 255s in steps of 1s"},
      {a + "v2_password_file: /p",
       "1:53: vip.v2_password_file: has no effect with version 3, allowed with: version 2"},
      {a + "failback: soon",
       "1:45: vip.failback: \"soon\" is not a duration such as 250ms, 10s, 5m or 1h, allowed: never, "
       "immediately, 10ms "
       "to 24h"},
      {a + "startup_delay: 2h", "1:50: vip.startup_delay: 2h is out of range, allowed: 0s, 10ms to 1h"},
      {a + "on_no_backend: drop", "1:50: vip.on_no_backend: \"drop\" is unknown, allowed: keep, release"},
      {a + "checksum: none", "1:45: vip.checksum: \"none\" is unknown, allowed: pseudo_header, rfc9568"},
      {a + "version: 2, checksum: rfc9568",
       "1:57: vip.checksum: rfc9568 has no effect here, allowed with: version 3 over IPv4"},
      {"virtual_router_id: 1, addresses: [\"fd00::100/64\"], checksum: rfc9568",
       "1:68: vip.checksum: rfc9568 has no effect here, allowed with: version 3 over IPv4"},
      {a + "address_lifetime: 1500ms",
       "1:53: vip.address_lifetime: 1500ms is not a multiple of 1s, allowed: auto, 0s, 1s to 1h in steps of "
       "1s"},
      {a + "garp_refresh: 0s", "1:49: vip.garp_refresh: 0s is out of range, allowed: 1s to 1h"},
      {a + "peers: [lb1]", "1:43: vip.peers[0]: \"lb1\"" + host + "10.0.0.21 or fd00::21"},
      {a + "peers: [10.0.0.100]",
       "1:43: vip.peers[0]: 10.0.0.100 is one of vip.addresses, allowed: the own addresses of the hosts"},
      {a + "peers: [10.0.0.21, \"fd00::21\"]",
       "1:54: vip.peers[1]: fd00::21 is not of the family of the first peer, allowed: only IPv4 or only "
       "IPv6"},
      {a + "peers: [10.0.0.21, 10.0.0.21]", "1:54: vip.peers[1]: 10.0.0.21 is in the list already"},
      {a + "version: 2, peers: [\"fd00::21\"]",
       "1:55: vip.peers[0]: fd00::21 is not IPv4, which is all that version 2 knows"},
      {a + "interface: eth 0",
       "1:46: vip.interface: \"eth 0\" is not the name of an interface, allowed: auto, 1 to 15 characters "
       "without "
       "spaces, '/' and ':'"},
      {a + "track_interfaces: [sixteen-letters-]",
       "1:54: vip.track_interfaces[0]: \"sixteen-letters-\" is not the name of an interface, allowed: 1 to "
       "15 "
       "characters without spaces, '/' and ':'"},
      {a + "track_interfaces: [a, a]", "1:57: vip.track_interfaces[1]: a is in the list already"},
      {a + "adress: 1", "1:35: vip.adress: unknown key, did you mean addresses?"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.yaml);
    CHECK(errors_of(with_vip_keys(one.yaml)) == "f:" + one.error);
  }
  CHECK(errors_of(with_top_keys("vip: 10.0.0.1")) == "f:1:6: vip: must be a mapping, not a single value");
  CHECK(errors_of(with_top_keys("vip: null")) == "f:1:6: vip: must not be empty");
}

TEST_CASE("an address outlives three intervals, or it would be gone while its holder is well") {
  const std::string a = "addresses: [10.0.0.100/24], ";
  const auto error = [&](const std::string& keys) { return errors_of(with_vip_keys(a + keys)); };
  CHECK(error("advertise_interval: 1s, address_lifetime: 3s").empty());
  CHECK(error("advertise_interval: 1s, address_lifetime: 0s").empty());
  CHECK(error("advertise_interval: 40s, address_lifetime: auto").empty());
  CHECK(error("address_lifetime: 1s").empty());
  CHECK(error("advertise_interval: 1s, address_lifetime: 2s") ==
        "f:1:77: vip.address_lifetime: 2s is shorter than three times advertise_interval (1s), allowed: "
        "auto, 0s, 3s to "
        "1h");
  CHECK(error("advertise_interval: 340ms, address_lifetime: 1s") ==
        "f:1:80: vip.address_lifetime: 1s is shorter than three times advertise_interval (340ms), allowed: "
        "auto, 0s, 2s "
        "to 1h");
  CHECK(error("advertise_interval: 5ms, address_lifetime: 1s") ==
        "f:1:55: vip.advertise_interval: 5ms is out of range, allowed: 10ms to 40.95s in steps of 10ms");
}

std::string text_of(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (const IpAddress& one : addresses) text += (text.empty() ? "" : " ") + one.to_string();
  return text;
}

TEST_CASE("the family of VRRP is the peers', without peers that of the first address; version 2 knows IPv4") {
  const std::string both = "addresses: [\"fd00::100/64\", 10.0.0.100/24], ";
  CHECK(family_of(vip_of(both + "peers: [10.0.0.21]")) == AF_INET);
  CHECK(family_of(vip_of(both + "peers: [\"fd00::21\"]")) == AF_INET6);
  CHECK(family_of(vip_of(both + "peers: []")) == AF_INET6);
  CHECK(family_of(vip_of(both + "version: 2")) == AF_INET);
  CHECK(family_of(vip_of("addresses: [10.0.0.100/24, \"fd00::100/64\"]")) == AF_INET);
  CHECK(is_multicast(vip_of(both + "priority: 1")));
  CHECK_FALSE(is_multicast(vip_of(both + "peers: [10.0.0.21, 10.0.0.22, 10.0.0.23]")));
}

TEST_CASE("addresses of the other family ride along, and IPv6 begins with a link-local address") {
  const std::string both = "addresses: [10.0.0.100/24, \"fd00::100/64\"], virtual_router_id: 51, ";
  const VipConfig over_v4 = vip_of(both + "peers: [10.0.0.21]");
  CHECK(text_of(held_addresses(over_v4)) == "10.0.0.100 fd00::100");
  CHECK(text_of(advertised_addresses(over_v4)) == "10.0.0.100");
  const VipConfig over_v6 = vip_of(both + "peers: [\"fd00::21\"]");
  CHECK(text_of(held_addresses(over_v6)) == "fe80::200:5eff:fe00:233 10.0.0.100 fd00::100");
  CHECK(text_of(advertised_addresses(over_v6)) == "fe80::200:5eff:fe00:233 fd00::100");
  const VipConfig own = vip_of("addresses: [\"fd00::100/64\", \"fe80::51:1/64\"], virtual_router_id: 51");
  CHECK(text_of(held_addresses(own)) == "fd00::100 fe80::51:1");
  CHECK(text_of(advertised_addresses(own)) == "fe80::51:1 fd00::100");
  CHECK(anchor_of(vip_of("addresses: [\"fe80::51:1/64\", \"fd00::100/64\"], virtual_router_id: 51")) ==
        IpAddress::parse("fd00::100"));
}

TEST_CASE("an instance needs an address of the family that it speaks") {
  const auto error = [](const std::string& keys) { return errors_of(with_vip_keys(keys)); };
  CHECK(error("addresses: [10.0.0.100/24], peers: [\"fd00::21\"]") ==
        "f:1:42: vip.peers: IPv6 hosts advertise IPv6 addresses, and vip.addresses has none");
  CHECK(error("addresses: [\"fd00::1/64\"], virtual_router_id: 1, peers: [10.0.0.21]") ==
        "f:1:63: vip.peers: IPv4 hosts advertise IPv4 addresses, and vip.addresses has none");
  CHECK(error("addresses: [\"fd00::1/64\"], virtual_router_id: 1, version: 2") ==
        "f:1:65: vip.version: 2 knows IPv4 alone, and vip.addresses has no IPv4 address, allowed: 3");
  CHECK(error("addresses: [\"fe80::1/64\"], virtual_router_id: 1") ==
        "f:1:18: vip.addresses: only link-local ones, which no client can be told, allowed besides: "
        "10.0.0.100/24 "
        "or fd00::100/64");
  CHECK(error("addresses: [224.0.0.18]") ==
        "f:1:19: vip.addresses[0]: \"224.0.0.18\" is not a host's address, allowed: 10.0.0.100/24 or "
        "fd00::100/64");
  CHECK(error("addresses: [10.0.0.100/24], peers: [\"ff02::12\"]") ==
        "f:1:43: vip.peers[0]: \"ff02::12\" is not a host's address, allowed: 10.0.0.21 or fd00::21");
}

TEST_CASE("a port on the VIP leaves link-local addresses out") {
  const Config config = config_of(
      "services: [{listen: \"vip:2\", backends: [10.0.0.11:1], health_check: {protocol: tcp}}]\n"
      "vip: {addresses: [\"fe80::1/64\", \"fd00::100/64\", 10.0.0.100/24]}");
  std::string all;
  for (const SocketAddress& address : listen_addresses(config.services[0], config.vip))
    all += address.to_string() + ' ';
  CHECK(all == "[fd00::100]:2 10.0.0.100:2 ");
}

TEST_CASE("a port on the VIP is that port on every address, in the order of the file") {
  const Config config = config_of(
      "services: [{listen: [10.0.0.21:1, vip:2, 10.0.0.21:3], backends: [10.0.0.11:1], health_check: "
      "{protocol: "
      "tcp}}]\nvip: {addresses: [10.0.0.100/24, 10.0.0.101/24], peers: [10.0.0.21, 10.0.0.22]}");
  std::string all;
  for (const SocketAddress& address : listen_addresses(config.services[0], config.vip))
    all += address.to_string() + ' ';
  CHECK(all == "10.0.0.21:1 10.0.0.100:2 10.0.0.101:2 10.0.0.21:3 ");
}

TEST_CASE("a port on the VIP clashes like the addresses it means") {
  const std::string vip = "\nvip: {addresses: [10.0.0.100/24]}\n";
  const auto services = [&](const std::string& first, const std::string& second) {
    return "services:\n- {listen: " + first +
           ", backends: [10.0.0.11:1], health_check: &c {protocol: tcp}}\n" + "- {listen: " + second +
           ", backends: [10.0.0.11:1], health_check: *c}" + vip;
  };
  CHECK(errors_of(services("vip:1", "10.0.0.100:1")) ==
        "f:3:12: services[1].listen: 10.0.0.100:1 clashes with vip:1 (services[0].listen)");
  CHECK(errors_of(services("0.0.0.0:1", "vip:1")) ==
        "f:3:12: services[1].listen: vip:1 clashes with 0.0.0.0:1 (services[0].listen)");
  CHECK(errors_of(services("vip:1", "vip:1")) ==
        "f:3:12: services[1].listen: vip:1 clashes with vip:1 (services[0].listen)");
  CHECK(errors_of("services: [{listen: vip:1, backends: [10.0.0.100:1], health_check: {protocol: tcp}}]" +
                  vip) ==
        "f:1:39: services[0].backends[0]: 10.0.0.100:1 is where services[0] itself listens: its sessions "
        "would go "
        "round in a loop");
}

}  // namespace
}  // namespace vipward::config_test
