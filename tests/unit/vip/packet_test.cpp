#include "lb/vip/packet.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tests/unit/vip/hex.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

Dialect version3(std::uint8_t vrid, ChecksumForm form = ChecksumForm::PseudoHeader) {
  Dialect dialect;
  dialect.vrid = vrid;
  dialect.checksum = form;
  return dialect;
}

Dialect version2(std::uint8_t vrid, std::string_view password = "", Duration interval = 1s) {
  Dialect dialect;
  dialect.vrid = vrid;
  dialect.version = VrrpVersion::V2;
  dialect.interval = interval;
  if (!password.empty()) std::ranges::copy(password, dialect.password.emplace().begin());
  return dialect;
}

std::string outcome(const std::variant<VrrpDatagram, VrrpRejectReason>& received, const Dialect& dialect) {
  if (const auto* reason = std::get_if<VrrpRejectReason>(&received)) return std::string(to_string(*reason));
  const auto decoded = decode(std::get<VrrpDatagram>(received), dialect);
  if (const auto* reason = std::get_if<VrrpRejectReason>(&decoded)) return std::string(to_string(*reason));
  return "heard";
}

// What became of the bytes that a raw socket gave: the reason, or "heard".
std::string outcome(const std::vector<std::uint8_t>& bytes, const Dialect& dialect) {
  return outcome(parse_ipv4_datagram(bytes), dialect);
}
std::string outcome(const std::vector<std::uint8_t>& bytes, std::uint8_t vrid = 51) {
  return outcome(bytes, version3(vrid));
}

// Captured from keepalived 2.2.7 and FRR 8.4.4: IPv4 header, message with the pseudo-header in its checksum.
struct Golden {
  const char* name;
  const char* header;
  const char* message;
  const char* source;
  const char* destination;
  std::uint8_t priority;
  Duration interval;
  const char* vip;
};
const Golden kGolden[] = {
    {"V1 keepalived, multicast, 1 s", "45c0002000010000ff70d035 0a630002 e0000012",
     "31 33 96 01 0064 42ac 0a630064", "10.99.0.2", "224.0.0.18", 150, 1s, "10.99.0.100"},
    {"V2 keepalived lets go", "45c0002000050000ff70d031 0a630002 e0000012", "31 33 00 01 0064 d8ac 0a630064",
     "10.99.0.2", "224.0.0.18", 0, 1s, "10.99.0.100"},
    {"V3 keepalived, the other host", "45c0002000010000ff70d034 0a630003 e0000012",
     "31 33 64 01 0064 74ab 0a630064", "10.99.0.3", "224.0.0.18", 100, 1s, "10.99.0.100"},
    {"V4 keepalived, unicast, 100 ms", "45c0002000010000ff70a5e2 0a630002 0a630003",
     "31 33 96 01 000a 18b3 0a630064", "10.99.0.2", "10.99.0.3", 150, 100ms, "10.99.0.100"},
    {"V5 keepalived lets go, unicast", "45c00020001d0000ff70a5c6 0a630002 0a630003",
     "31 33 00 01 000a aeb3 0a630064", "10.99.0.2", "10.99.0.3", 0, 100ms, "10.99.0.100"},
    {"V6 keepalived with the virtual MAC", "45c0002000010000ff70d035 0a630002 e0000012",
     "31 33 96 01 000a 4306 0a630064", "10.99.0.2", "224.0.0.18", 150, 100ms, "10.99.0.100"},
    {"V7 FRR", "45c0002040774000ff704fc0 0a620002 e0000012", "31 33 96 01 000a 4308 0a620064", "10.98.0.2",
     "224.0.0.18", 150, 100ms, "10.98.0.100"},
    {"V8 FRR lets go", "45c0002046e04000ff704957 0a620002 e0000012", "31 33 00 01 000a d908 0a620064",
     "10.98.0.2", "224.0.0.18", 0, 100ms, "10.98.0.100"},
};

TEST_CASE("captured advertisements of keepalived and FRR are heard, and written byte for byte") {
  for (const Golden& golden : kGolden) {
    CAPTURE(golden.name);
    const auto bytes = hex(std::string(golden.header) + golden.message);
    const auto datagram = std::get<VrrpDatagram>(parse_ipv4_datagram(bytes));
    CHECK(datagram.source == ip(golden.source));
    CHECK(datagram.destination == ip(golden.destination));
    CHECK(datagram.ttl == 255);
    const auto decoded = std::get<DecodedAdvertisement>(decode(datagram, version3(51)));
    CHECK(decoded.checksum == ChecksumForm::PseudoHeader);
    CHECK(decoded.advertisement == Advertisement{.priority = golden.priority,
                                                 .interval = golden.interval,
                                                 .addresses = {ip(golden.vip)}});
    CHECK(encode(decoded.advertisement, version3(51), datagram.source, datagram.destination) ==
          hex(golden.message));
  }
}

TEST_CASE("checksums in the form of RFC 9568 are heard, told apart, and written byte for byte") {
  struct Row {
    const char* header;
    const char* message;
  };
  const Row rows[] = {
      {"45c0002000010000ff70d035 0a630002 e0000012", "31 33 96 01 0064 2da0 0a630064"},
      {"45c0002000050000ff70d031 0a630002 e0000012", "31 33 00 01 0064 c3a0 0a630064"},
      {"45c0002000010000ff70d034 0a630003 e0000012", "31 33 64 01 0064 5fa0 0a630064"},
      {"45c0002000010000ff70d035 0a630002 e0000012", "31 33 96 01 000a 2dfa 0a630064"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.message);
    const auto bytes = hex(std::string(row.header) + row.message);
    const auto datagram = std::get<VrrpDatagram>(parse_ipv4_datagram(bytes));
    const auto decoded = std::get<DecodedAdvertisement>(decode(datagram, version3(51)));
    CHECK(decoded.checksum == ChecksumForm::Rfc9568);
    CHECK(encode(decoded.advertisement, version3(51, ChecksumForm::Rfc9568), datagram.source,
                 datagram.destination) == hex(row.message));
  }
}

TEST_CASE("another version and CARP are told from ours") {
  CHECK(outcome(hex("45c0002800010000ff70d02d 0a630002 e0000012"
                    "21 33 96 01 00 01 3e03 0a630064 0000000000000000")) == "version");
  CHECK(outcome(hex("45c0002800010000ff70d02d 0a630002 e0000012"
                    "21 33 96 01 01 01 9071 0a630064 7333637265747077")) == "version");
  // CARP: 36 bytes, advskew where VRRP has the priority, its authentication length 7 where VRRP counts.
  CHECK(outcome(hex("45c0003800010000ff70d01d 0a630002 e0000012 21 33 00 07 00 01 0000"
                    "0000000000000000 0000000000000000000000000000000000000000")) == "version");
}

const std::string kHeader = "45c0002000010000ff70d035 0a630002 e0000012";
const std::string kMessage = "31 33 96 01 0064 42ac 0a630064";

TEST_CASE("each mistake has its reason") {
  struct Row {
    const char* reason;
    std::string bytes;
  };
  const Row rows[] = {
      {"heard", kHeader + kMessage},
      {"length", ""},
      {"length", "45c0002000010000ff70d035 0a630002 e00000"},
      {"address_family", "65c0002000010000ff70d035 0a630002 e0000012" + kMessage},
      {"address_family", "45c0002000010000ff11d035 0a630002 e0000012" + kMessage},
      {"length", "44c0002000010000ff70d035 0a630002 e0000012" + kMessage},
      {"length", "45c0002100010000ff70d035 0a630002 e0000012" + kMessage},
      {"length", "45c0001300010000ff70d035 0a630002 e0000012" + kMessage},
      {"length", "45c0001b00010000ff70d035 0a630002 e0000012" + kMessage},
      {"length", "45c0001f00010000ff70d035 0a630002 e0000012" + kMessage},
      {"ttl", "45c0002000010000fe70d035 0a630002 e0000012" + kMessage},
      {"version", kHeader + "41 33 96 01 0064 42ac 0a630064"},
      {"type", kHeader + "32 33 96 01 0064 42ac 0a630064"},
      {"count", kHeader + "31 33 96 00 0064 42ac 0a630064"},
      {"length", kHeader + "31 33 96 02 0064 42ac 0a630064"},
      {"interval", kHeader + "31 33 96 01 0000 42ac 0a630064"},
      {"checksum", kHeader + "31 33 96 01 0064 42ad 0a630064"},
      {"checksum", kHeader + "31 33 97 01 0064 42ac 0a630064"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.bytes);
    CHECK(outcome(hex(row.bytes)) == row.reason);
  }
  CHECK(outcome(hex(kHeader + kMessage), 52) == "vrid");
}

TEST_CASE("the checks have an order: a packet with several mistakes gets the first reason") {
  const std::string routed = "45c0002000010000fe70d035 0a630002 e0000012";
  CHECK(outcome(hex(routed + "22 33 96 00 0000 0000 0a630064"), 1) == "vrid");
  CHECK(outcome(hex(routed + "22 33 96 00 0000 0000 0a630064")) == "ttl");
  CHECK(outcome(hex(kHeader + "22 33 96 00 0000 0000 0a630064")) == "version");
  CHECK(outcome(hex(kHeader + "32 33 96 00 0000 0000 0a630064")) == "type");
  CHECK(outcome(hex(kHeader + "31 33 96 00 0000 0000 0a630064")) == "count");
  CHECK(outcome(hex(kHeader + "31 33 96 01 0000 0000 0a630064")) == "interval");
  CHECK(outcome(hex(kHeader + "31 33 96 01 0064 0000 0a630064")) == "checksum");
}

TEST_CASE("a packet of another virtual router is told by its number alone, in either version and of CARP") {
  const auto v3 = hex(kHeader + kMessage);
  const auto v2 =
      hex("45c0002800010000ff70d02d 0a630002 e0000012"
          "21 33 96 01 00 01 3e03 0a630064 0000000000000000");
  const auto carp =
      hex("45c0003800010000ff70d01d 0a630002 e0000012 21 33 00 07 00 01 0000"
          "0000000000000000 0000000000000000000000000000000000000000");
  for (const auto& bytes : {v3, v2, carp}) CHECK(outcome(bytes, version3(52)) == "vrid");
  for (const auto& bytes : {v3, v2}) CHECK(outcome(bytes, version2(52)) == "vrid");
  CHECK(outcome(hex("45c0001b00010000ff70d035 0a630002 e0000012 31 34 96 01 0064 42")) == "length");
}

TEST_CASE("padding after the IP total length is left out") {
  CHECK(outcome(hex(kHeader + kMessage + "000000000000 deadbeef")) == "heard");
}

TEST_CASE("bytes after the last address are not covered by the checksum") {
  CHECK(outcome(hex("45c0002400010000ff70d031 0a630002 e0000012" + kMessage + "deadbeef")) == "heard");
}

TEST_CASE("IP options are skipped") {
  CHECK(outcome(hex("46c0002400010000ff70d035 0a630002 e0000012 94040000" + kMessage)) == "heard");
}

TEST_CASE("the reserved bits beside the interval are ignored") {
  // f064 instead of 0064 and the checksum that belongs to it.
  CHECK(outcome(hex(kHeader + "31 33 96 01 f064 52ab 0a630064")) == "heard");
}

// Captured from keepalived 2.2.7, version 2.
struct GoldenV2 {
  const char* name;
  const char* header;
  const char* message;
  const char* source;
  std::uint8_t priority;
  const char* password;
};
const GoldenV2 kGoldenV2[] = {
    {"V9", "45c0002800010000ff70d02d 0a630002 e0000012", "21 33 96 01 00 01 3e03 0a630064 0000000000000000",
     "10.99.0.2", 150, ""},
    {"V10 lets go", "45c0002800050000ff70d029 0a630002 e0000012",
     "21 33 00 01 00 01 d403 0a630064 0000000000000000", "10.99.0.2", 0, ""},
    {"V11 the other host", "45c0002800010000ff70d02c 0a630003 e0000012",
     "21 33 64 01 00 01 7003 0a630064 0000000000000000", "10.99.0.3", 100, ""},
    {"V12 with a password", "45c0002800010000ff70d02d 0a630002 e0000012",
     "21 33 96 01 01 01 9071 0a630064 7333637265747077", "10.99.0.2", 150, "s3cretpw"},
    {"V13 lets go, with a password", "45c0002800050000ff70d029 0a630002 e0000012",
     "21 33 00 01 01 01 2672 0a630064 7333637265747077", "10.99.0.2", 0, "s3cretpw"},
};

TEST_CASE("captured advertisements of version 2 are heard, and written byte for byte") {
  for (const GoldenV2& golden : kGoldenV2) {
    CAPTURE(golden.name);
    const Dialect dialect = version2(51, golden.password);
    const auto bytes = hex(std::string(golden.header) + golden.message);
    const auto datagram = std::get<VrrpDatagram>(parse_ipv4_datagram(bytes));
    CHECK(datagram.source == ip(golden.source));
    const auto decoded = std::get<DecodedAdvertisement>(decode(datagram, dialect));
    CHECK(decoded.advertisement ==
          Advertisement{.priority = golden.priority, .interval = 1s, .addresses = {ip("10.99.0.100")}});
    CHECK(encode(decoded.advertisement, dialect, datagram.source, datagram.destination) ==
          hex(golden.message));
  }
}

TEST_CASE("version 2 wants our kind of authentication, our password and our interval, in this order") {
  const auto open = hex(std::string(kGoldenV2[0].header) + kGoldenV2[0].message);
  const auto guarded = hex(std::string(kGoldenV2[3].header) + kGoldenV2[3].message);
  CHECK(outcome(open, version2(51)) == "heard");
  CHECK(outcome(open, version2(51, "s3cretpw")) == "auth_type");
  CHECK(outcome(guarded, version2(51)) == "auth_type");
  CHECK(outcome(guarded, version2(51, "s3cretpx")) == "password");
  CHECK(outcome(guarded, version2(51, "s3cret")) == "password");
  CHECK(outcome(open, version2(51, "", 2s)) == "interval");
  CHECK(outcome(guarded, version2(51, "other", 2s)) == "password");
  CHECK(outcome(open, version2(52, "other", 2s)) == "vrid");
  CHECK(outcome(open, version3(51)) == "version");
  CHECK(outcome(hex(kHeader + kMessage), version2(51)) == "version");
  // Without the eight bytes that are always there.
  CHECK(outcome(hex("45c0002000010000ff70d035 0a630002 e0000012 21 33 96 01 00 01 3e03 0a630064"),
                version2(51)) == "length");
}

TEST_CASE("a short password is padded with zeros, and the interval of version 2 is rounded to seconds") {
  const Advertisement sent{.priority = 1, .interval = 1600ms, .addresses = {ip("10.0.0.1")}};
  const auto message = encode(sent, version2(7, "abc", 2s), ip("10.0.0.2"), ip("224.0.0.18"));
  CHECK(message.size() == 8 + 4 + 8);
  CHECK(message[5] == 2);
  CHECK(std::vector(message.end() - 8, message.end()) == hex("616263 0000000000"));
}

// Captured from keepalived 2.2.7 over IPv6; the destination is ff02::12.
struct GoldenV6 {
  const char* name;
  const char* message;
  const char* source;
  std::uint8_t priority;
};
const GoldenV6 kGoldenV6[] = {
    {"V14", "31 33 96 02 000a 3e23 fe800000000000000000000000510001 fd990000000000000000000000000100",
     "fe80::ff:fe00:2", 150},
    {"V15 lets go", "31 33 00 02 000a d423 fe800000000000000000000000510001 fd990000000000000000000000000100",
     "fe80::ff:fe00:2", 0},
    {"V16 the other host",
     "31 33 64 02 000a 7022 fe800000000000000000000000510001 fd990000000000000000000000000100",
     "fe80::ff:fe00:3", 100},
};

VrrpDatagram ipv6_datagram(const char* source, std::span<const std::uint8_t> message,
                           std::uint8_t hop_limit = 255) {
  return {.source = ip(source), .destination = ip("ff02::12"), .ttl = hop_limit, .message = message};
}

TEST_CASE("captured advertisements over IPv6 are heard, and written byte for byte") {
  for (const GoldenV6& golden : kGoldenV6) {
    CAPTURE(golden.name);
    const auto message = hex(golden.message);
    const VrrpDatagram datagram = ipv6_datagram(golden.source, message);
    const auto decoded = std::get<DecodedAdvertisement>(decode(datagram, version3(51)));
    CHECK(decoded.checksum == ChecksumForm::PseudoHeader);
    CHECK(decoded.advertisement == Advertisement{.priority = golden.priority,
                                                 .interval = 100ms,
                                                 .addresses = {ip("fe80::51:1"), ip("fd99::100")}});
    CHECK(encode(decoded.advertisement, version3(51), datagram.source, datagram.destination) == message);
    // There is no form without the pseudo-header.
    CHECK(encode(decoded.advertisement, version3(51, ChecksumForm::Rfc9568), datagram.source,
                 datagram.destination) == message);
  }
}

TEST_CASE("mistakes over IPv6 have the same reasons") {
  const std::string whole = kGoldenV6[0].message;
  const char* source = kGoldenV6[0].source;
  const auto said = [&](const std::string& text, std::uint8_t hop_limit = 255) {
    const auto message = hex(text);
    return outcome(ipv6_datagram(source, message, hop_limit), version3(51));
  };
  CHECK(said(whole) == "heard");
  CHECK(said(whole, 254) == "ttl");
  CHECK(said("31 33 96 02 000a 3e23 fe800000000000000000000000510001") == "length");
  CHECK(said("31 33 96 02 000a 3e24" + whole.substr(21)) == "checksum");
  CHECK(said("21" + whole.substr(2)) == "version");
  const auto message = hex(whole);
  CHECK(outcome(
            VrrpDatagram{.source = ip(source), .destination = ip("10.0.0.1"), .ttl = 255, .message = message},
            version3(51)) == "address_family");
  // The sum without a pseudo-header is right in IPv4 alone.
  auto bare = encode({.priority = 1, .interval = 1s, .addresses = {ip("fd99::1")}}, version3(51), ip(source),
                     ip("ff02::13"));
  CHECK(outcome(ipv6_datagram(source, bare), version3(51)) == "checksum");
}

TEST_CASE("the interval is rounded to centiseconds and held within 12 bits") {
  struct Row {
    Duration given;
    Duration on_wire;
  };
  const Row rows[] = {{0s, 10ms}, {4ms, 10ms}, {14ms, 10ms}, {16ms, 20ms}, {200ms, 200ms}, {41s, 40950ms}};
  for (const Row& row : rows) {
    CAPTURE(row.given.count());
    const Advertisement sent{.priority = 1, .interval = row.given, .addresses = {ip("10.0.0.1")}};
    const auto message = encode(sent, version3(7), ip("10.0.0.2"), ip("10.0.0.3"));
    const auto decoded =
        decode({.source = ip("10.0.0.2"), .destination = ip("10.0.0.3"), .ttl = 255, .message = message},
               version3(7));
    CHECK(std::get<DecodedAdvertisement>(decoded).advertisement.interval == row.on_wire);
  }
}

TEST_CASE("255 addresses fit, in their order") {
  Advertisement sent{.priority = 1, .interval = 1s, .addresses = {}};
  for (int i = 0; i < 255; ++i) sent.addresses.push_back(ip("10.0.0." + std::to_string(i)));
  for (const ChecksumForm form : {ChecksumForm::PseudoHeader, ChecksumForm::Rfc9568}) {
    const auto message = encode(sent, version3(7, form), ip("10.0.0.2"), ip("10.0.0.3"));
    const auto decoded = std::get<DecodedAdvertisement>(
        decode({.source = ip("10.0.0.2"), .destination = ip("10.0.0.3"), .ttl = 255, .message = message},
               version3(7)));
    CHECK(decoded.advertisement == sent);
    CHECK(decoded.checksum == form);
  }
}

}  // namespace
}  // namespace vipward
