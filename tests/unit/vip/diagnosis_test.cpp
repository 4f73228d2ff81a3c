#include "lb/vip/diagnosis.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tests/unit/vip/hex.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

Dialect version3() {
  Dialect dialect;
  dialect.vrid = 51;
  return dialect;
}

Dialect version2(std::string_view password = "", Duration interval = 1s) {
  Dialect dialect;
  dialect.vrid = 51;
  dialect.version = VrrpVersion::V2;
  dialect.interval = interval;
  if (!password.empty()) std::ranges::copy(password, dialect.password.emplace().begin());
  return dialect;
}

// What is said of it once decode() has refused it; "heard" if it has not, "" if nothing is said.
std::string said(const VrrpDatagram& datagram, const Dialect& dialect,
                 const std::vector<IpAddress>& ours = {ip("10.99.0.100")}) {
  const auto decoded = decode(datagram, dialect);
  const auto* reason = std::get_if<VrrpRejectReason>(&decoded);
  if (reason == nullptr) return "heard";
  return explain_refusal(datagram, *reason, dialect, ours).value_or("");
}

// The same of what a raw IPv4 socket gave.
std::string said(const std::string& text, const Dialect& dialect) {
  const auto bytes = hex(text);
  return said(std::get<VrrpDatagram>(parse_ipv4_datagram(bytes)), dialect);
}

// Captured from keepalived 2.2.7: see packet_test.cpp.
const std::string kHeader = "45c0002000010000ff70d035 0a630002 e0000012";
const std::string kUnicastHeader = "45c0002000010000ff70a5e2 0a630002 0a630003";
const std::string kMessage = "31 33 96 01 0064 42ac 0a630064";
const std::string kHeaderV2 = "45c0002800010000ff70d02d 0a630002 e0000012";
const std::string kOpenV2 = kHeaderV2 + "21 33 96 01 00 01 3e03 0a630064 0000000000000000";
const std::string kGuardedV2 = kHeaderV2 + "21 33 96 01 01 01 9071 0a630064 7333637265747077";
const std::string kMessageV6 =
    "31 33 96 02 000a 3e23 fe800000000000000000000000510001 fd990000000000000000000000000100";

// A message of version 2 with the checksum that belongs to it.
std::string with_checksum(const std::string& message) {
  auto bytes = hex(message);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += bytes[i] * 256U + bytes[i + 1];
  sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned shift : {12U, 8U, 4U, 0U}) text += kDigits[(sum >> shift) & 0xf];
  std::string whole = message;
  return whole.replace(whole.find("0000"), 4, text);
}

TEST_CASE("another version is named, and what to set on which side") {
  CHECK(
      said(kOpenV2, version3()) ==
      "10.99.0.2 speaks VRRP version 2, this host version 3: set `version: 2` here or vrrp_version 3 there");
  CHECK(
      said(kGuardedV2, version3()) ==
      "10.99.0.2 speaks VRRP version 2, this host version 3: set `version: 2` here or vrrp_version 3 there");
  CHECK(
      said(kHeader + kMessage, version2()) ==
      "10.99.0.2 speaks VRRP version 3, this host version 2: set `version: 3` here or vrrp_version 2 there");
}

TEST_CASE("what is no VRRP is not taken for another version") {
  const std::string carp =
      "10.99.0.2 speaks CARP with VHID 51, which is this host's VRID: choose another `virtual_router_id` "
      "here "
      "or another vhid there";
  const std::string bytes =
      "45c0003800010000ff70d01d 0a630002 e0000012 21 33 00 07 00 01 0000"
      "0000000000000000 0000000000000000000000000000000000000000";
  CHECK(said(bytes, version3()) == carp);
  CHECK(said(bytes, version2()) == carp);  // there too short
  const std::string nothing =
      "10.99.0.2 sends something of protocol 112 that is no VRRP: stop it there, or choose another "
      "`virtual_router_id` here";
  CHECK(said(kHeader + "41 33 96 01 0064 42ac 0a630064", version3()) == nothing);
  // Without the eight bytes that version 2 has always.
  CHECK(said(kHeader + "21 33 96 01 00 01 3e03 0a630064", version3()) == nothing);
  // Version 2 is over IPv4 alone.
  auto message = hex(kMessageV6);
  message[0] = 0x21;
  CHECK(said({.source = ip("fd99::2"), .destination = ip("fd99::3"), .ttl = 255, .message = message},
             version3()) ==
        "fd99::2 sends something of protocol 112 that is no VRRP: stop it there, or choose another "
        "`virtual_router_id` here");
}

TEST_CASE("a TTL below 255 is told with its likely cause") {
  CHECK(
      said("45c00020000100003f70d035 0a630002 e0000012" + kMessage, version3()) ==
      "VRRP of 10.99.0.2 arrives with TTL 63, not 255: it was routed, or its sender sets no TTL, both hosts "
      "have to be on one link");
  const auto message = hex(kMessageV6);
  VrrpDatagram datagram{.source = ip("fd99::2"), .destination = ip("fd99::3"), .ttl = 64, .message = message};
  CHECK(said(datagram, version3()) ==
        "VRRP of fd99::2 arrives with hop limit 64, not 255: keepalived 2.2.7 sends the kernel's default by "
        "unicast, set `sysctl net.ipv6.conf.IFACE.hop_limit=255` on its host");
  const std::string routed =
      ", not 255: it was routed, or its sender sets no hop limit, both hosts have to be on one link";
  datagram.ttl = 63;
  CHECK(said(datagram, version3()) == "VRRP of fd99::2 arrives with hop limit 63" + routed);
  datagram.ttl = 64;
  datagram.destination = ip("ff02::12");
  CHECK(said(datagram, version3()) == "VRRP of fd99::2 arrives with hop limit 64" + routed);
}

TEST_CASE("the checksum of old keepalived by unicast is recognised, and nothing else taken for it") {
  const std::string old =
      "10.99.0.2 sends by unicast with the checksum for 224.0.0.18, as keepalived does up to 1.3.6: upgrade "
      "it, or set `old_unicast_checksum never` there";
  const std::string damaged =
      "VRRP of 10.99.0.2 arrives with a wrong checksum: it was damaged or rewritten on the way, look for "
      "address translation between the hosts";
  // The message of V1, which went to the group.
  CHECK(said(kUnicastHeader + kMessage, version3()) == old);
  CHECK(said(kUnicastHeader + "31 33 96 01 0064 42ad 0a630064", version3()) == damaged);
  CHECK(said(kHeader + "31 33 96 01 0064 42ad 0a630064", version3()) == damaged);
  CHECK(said(kHeaderV2 + "21 33 96 01 00 01 3e04 0a630064 0000000000000000", version2()) == damaged);
  auto message = hex(kMessageV6);
  message[7] ^= 1;
  CHECK(said({.source = ip("fd99::2"), .destination = ip("fd99::3"), .ttl = 255, .message = message},
             version3()) ==
        "VRRP of fd99::2 arrives with a wrong checksum: it was damaged or rewritten on the way, look for "
        "address translation between the hosts");
}

TEST_CASE("intervals of version 2 that differ are both named, and one of zero is told apart") {
  CHECK(said(kOpenV2, version2("", 3s)) ==
        "10.99.0.2 advertises every 1 s, this host every 3 s, which version 2 wants to be the same: set "
        "`advertise_interval: 1s` here or advert_int 3 there");
  const std::string zero = "10.99.0.2 names an interval of zero: set advert_int there";
  CHECK(said(kHeader + "31 33 96 01 0000 42ac 0a630064", version3()) == zero);
  CHECK(said(kHeaderV2 + "21 33 96 01 00 00 3e04 0a630064 0000000000000000", version2()) == zero);
}

TEST_CASE("authentication of version 2 that differs is explained without a password") {
  CHECK(said(kGuardedV2, version2()) ==
        "10.99.0.2 sends a password, this host has none: set `v2_password_file` here or remove "
        "`authentication` there");
  CHECK(
      said(kOpenV2, version2("s3cretpw")) ==
      "10.99.0.2 sends no password, this host has one: remove `v2_password_file` here or set auth_type PASS "
      "and auth_pass there");
  CHECK(said(kHeaderV2 + with_checksum("21 33 96 01 02 01 0000 0a630064 0102030405060708"), version2()) ==
        "10.99.0.2 uses the authentication AH, which this host does not know: set auth_type PASS, or remove "
        "`authentication`, there");
  CHECK(said(kHeaderV2 + with_checksum("21 33 96 01 09 01 0000 0a630064 0102030405060708"),
             version2("s3cretpw")) ==
        "10.99.0.2 uses authentication type 9, which nobody knows: remove its authentication there");
  CHECK(said(kGuardedV2, version2("another")) ==
        "10.99.0.2 sends another password than this host's: `v2_password_file` here and auth_pass there must "
        "be the same");
}

TEST_CASE("what no router of a right mind sends is told in short") {
  CHECK(said(kHeader + "32 33 96 01 0064 42ac 0a630064", version3()) ==
        "10.99.0.2 sends VRRP of type 2, and there is only type 1, the advertisement: its sender is broken");
  CHECK(said(kHeader + "31 33 96 00 0064 42ac 0a630064", version3()) ==
        "10.99.0.2 advertises no address: set virtual_ipaddress there, as virtual_ipaddress_excluded is not "
        "advertised");
  CHECK(said(kHeader + "31 33 96 02 0064 42ac 0a630064", version3()) ==
        "VRRP of 10.99.0.2 has 12 bytes, too few for the number of addresses that it counts, 2: it was cut "
        "off on the way, or its sender is broken");
  for (const std::size_t size : {0U, 1U, 2U, 7U}) {
    const auto message = std::vector<std::uint8_t>(size, 51);
    CHECK(said({.source = ip("10.99.0.2"), .destination = ip("10.99.0.3"), .ttl = 255, .message = message},
               version3()) == "VRRP of 10.99.0.2 has " + std::to_string(size) +
                                  " bytes, too few for its header: it was cut off on the way, or its sender "
                                  "is broken");
  }
}

TEST_CASE("another VRID is nobody's business unless it names one of our addresses") {
  const std::string ours =
      "10.99.0.2 advertises 10.99.0.100 with VRID 52, this host with 51, which must be the same: set "
      "`virtual_router_id: 52` here or virtual_router_id 51 there";
  CHECK(said(kHeader + "31 34 96 01 0064 42ab 0a630064", version3()) == ours);
  CHECK(said(kHeader + "31 34 96 01 0064 42aa 0a630065", version3()).empty());
  // Whatever else is wrong with it.
  CHECK(said("45c00020000100004070d035 0a630002 e0000012 31 34 96 01 0064 42ab 0a630064", version3()) ==
        ours);
  CHECK(
      said("45c00020000100004070d035 0a630002 e0000012 31 34 96 01 0064 42aa 0a630065", version3()).empty());
  CHECK(said(kHeader + "31 34 96 ff 0064 42ab 0a630065", version3()).empty());
  // A hash of CARP is no address.
  CHECK(said("45c0003800010000ff70d01d 0a630002 e0000012 21 34 00 07 00 01 0000"
             "0a63006400000000 0000000000000000000000000000000000000000",
             version3())
            .empty());
  const auto message = hex("31 34" + kMessageV6.substr(5));
  CHECK(said({.source = ip("fd99::2"), .destination = ip("fd99::3"), .ttl = 64, .message = message},
             version3(), {ip("fd99::100")}) ==
        "fd99::2 advertises fd99::100 with VRID 52, this host with 51, which must be the same: set "
        "`virtual_router_id: 52` here or virtual_router_id 51 there");
  CHECK(explain_other_vrid(ip("10.99.0.2"), 52, 51) ==
        "10.99.0.2 speaks with VRID 52, this host with 51: unless that is another virtual router, both must "
        "have the same virtual_router_id");
}

TEST_CASE("nothing is said where the reason says all") {
  const auto message = hex(kMessage);
  CHECK(said({.source = ip("10.99.0.2"), .destination = ip("fd99::3"), .ttl = 255, .message = message},
             version3())
            .empty());
}

const std::string kIgnored = ", keepalived 2.2.7 ignores this host's advertisements until then";

TEST_CASE("address lists that differ are told by what is missing on which side") {
  const auto peer = ip("10.99.0.2");
  const std::vector ours{ip("10.99.0.100"), ip("10.99.0.101")};
  CHECK(
      explain_addresses(peer, {ip("10.99.0.100")}, ours) ==
      "10.99.0.2 does not advertise 10.99.0.101, which this host does: set the same virtual_ipaddress there" +
          kIgnored);
  CHECK(explain_addresses(peer, {ip("10.99.0.100"), ip("10.99.0.101"), ip("10.99.0.102")}, ours) ==
        "10.99.0.2 advertises 10.99.0.102, which this host does not: set the same `addresses` here" +
            kIgnored);
  CHECK(explain_addresses(peer, {ip("10.99.0.100"), ip("10.99.0.102")}, ours) ==
        "10.99.0.2 does not advertise 10.99.0.101, which this host does, and advertises 10.99.0.102, which "
        "this host does not: set the same `addresses` here and virtual_ipaddress there" +
            kIgnored);
  std::vector<IpAddress> many = ours;
  for (int i = 10; i < 16; ++i) many.push_back(ip("10.99.1." + std::to_string(i)));
  CHECK(
      explain_addresses(peer, many, ours) ==
      "10.99.0.2 advertises 10.99.1.10, 10.99.1.11, 10.99.1.12, 10.99.1.13 and 2 more, which this host does "
      "not: set the same `addresses` here" +
          kIgnored);
  // Named twice.
  CHECK(explain_addresses(peer, {ours[0], ours[0], ours[1]}, ours) ==
        "10.99.0.2 advertises 10.99.0.100, which this host does not: set the same `addresses` here" +
            kIgnored);
}

TEST_CASE("over IPv6 a link-local address alone that differs is told as such") {
  const auto peer = ip("fe80::ff:fe00:2");
  const std::vector ours{ip("fd99::100"), ip("fe80::200:5eff:fe00:233")};
  CHECK(explain_addresses(peer, {ip("fd99::100")}, ours) ==
        "fe80::ff:fe00:2 does not advertise the link-local address that comes first over IPv6: set "
        "fe80::200:5eff:fe00:233 as the first virtual_ipaddress there" +
            kIgnored);
  CHECK(explain_addresses(peer, {ip("fd99::100"), ip("fe80::51:1")}, ours) ==
        "fe80::ff:fe00:2 advertises another link-local address than this host: add fe80::51:1 to `addresses` "
        "here, or set fe80::200:5eff:fe00:233 as the first virtual_ipaddress there" +
            kIgnored);
  CHECK(explain_addresses(peer, {ip("fe80::200:5eff:fe00:233")}, ours) ==
        "fe80::ff:fe00:2 does not advertise fd99::100, which this host does: set the same virtual_ipaddress "
        "there" +
            kIgnored);
}

TEST_CASE("a twin of this host, and holders that are not heard, are explained") {
  CHECK(
      explain_own_address(ip("10.99.0.3"), 51) ==
      "another host has this host's address 10.99.0.3 and sends VRRP with VRID 51 from it: give one of them "
      "another address");
  CHECK(explain_contested(ip("10.99.0.2"), false) == "10.99.0.2 is active as well");
  CHECK(explain_contested(ip("10.99.0.2"), true) ==
        "10.99.0.2 is active as well: it does not hear this host, look for a packet filter that stops "
        "protocol 112");
  CHECK(explain_silence(AF_INET, false) ==
        ", but no VRRP of its host arrives here: if it is none of these routers, give it another address; "
        "else protocol 112 is filtered, or this host is not in "
        "unicast_peer there");
  CHECK(explain_silence(AF_INET, true) ==
        ", but no VRRP of its host arrives here: if it is none of these routers, give it another address; "
        "else protocol 112 is filtered, or the switch does not forward the "
        "group 224.0.0.18 (IGMP snooping), use `peers` then");
  CHECK(explain_silence(AF_INET6, true) ==
        ", but no VRRP of its host arrives here: if it is none of these routers, give it another address; "
        "else protocol 112 is filtered, or the switch does not forward the "
        "group ff02::12 (MLD snooping), use `peers` then");
}

}  // namespace
}  // namespace vipward
