#include "lb/vip/packet.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/vip/hex.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

// What became of the bytes that a raw socket gave: the reason, or "heard".
std::string outcome(const std::vector<std::uint8_t>& bytes, std::uint8_t vrid = 51) {
  const auto datagram = parse_ipv4_datagram(bytes);
  if (const auto* reason = std::get_if<VrrpRejectReason>(&datagram)) return std::string(to_string(*reason));
  const auto decoded = decode(std::get<VrrpDatagram>(datagram), vrid);
  if (const auto* reason = std::get_if<VrrpRejectReason>(&decoded)) return std::string(to_string(*reason));
  return "heard";
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
    const auto decoded = std::get<DecodedAdvertisement>(decode(datagram, 51));
    CHECK(decoded.checksum == ChecksumForm::PseudoHeader);
    CHECK(decoded.advertisement == Advertisement{.vrid = 51,
                                                 .priority = golden.priority,
                                                 .interval = golden.interval,
                                                 .addresses = {ip(golden.vip)}});
    CHECK(encode(decoded.advertisement, datagram.source, datagram.destination, ChecksumForm::PseudoHeader) ==
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
    const auto decoded = std::get<DecodedAdvertisement>(decode(datagram, 51));
    CHECK(decoded.checksum == ChecksumForm::Rfc9568);
    CHECK(encode(decoded.advertisement, datagram.source, datagram.destination, ChecksumForm::Rfc9568) ==
          hex(row.message));
  }
}

TEST_CASE("version 2 and CARP are told from version 3") {
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
  CHECK(outcome(hex("45c0002000010000fe70d035 0a630002 e0000012 22 33 96 00 0000 0000 0a630064"), 1) ==
        "ttl");
  CHECK(outcome(hex(kHeader + "22 33 96 00 0000 0000 0a630064"), 1) == "version");
  CHECK(outcome(hex(kHeader + "32 33 96 00 0000 0000 0a630064"), 1) == "type");
  CHECK(outcome(hex(kHeader + "31 33 96 00 0000 0000 0a630064"), 1) == "count");
  CHECK(outcome(hex(kHeader + "31 33 96 01 0000 0000 0a630064"), 1) == "interval");
  CHECK(outcome(hex(kHeader + "31 33 96 01 0064 0000 0a630064"), 1) == "checksum");
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

TEST_CASE("an IPv6 datagram is refused as such") {
  const auto message = hex("31 33 96 02 000a 3e23 fe800000000000000000000000510001");
  const VrrpDatagram datagram{
      .source = ip("fe80::2"), .destination = ip("ff02::12"), .ttl = 255, .message = message};
  CHECK(std::get<VrrpRejectReason>(decode(datagram, 51)) == VrrpRejectReason::AddressFamily);
}

TEST_CASE("the interval is rounded to centiseconds and held within 12 bits") {
  struct Row {
    Duration given;
    Duration on_wire;
  };
  const Row rows[] = {{0s, 10ms}, {4ms, 10ms}, {14ms, 10ms}, {16ms, 20ms}, {200ms, 200ms}, {41s, 40950ms}};
  for (const Row& row : rows) {
    CAPTURE(row.given.count());
    const Advertisement sent{.vrid = 7, .priority = 1, .interval = row.given, .addresses = {ip("10.0.0.1")}};
    const auto message = encode(sent, ip("10.0.0.2"), ip("10.0.0.3"), ChecksumForm::PseudoHeader);
    const auto decoded =
        decode({.source = ip("10.0.0.2"), .destination = ip("10.0.0.3"), .ttl = 255, .message = message}, 7);
    CHECK(std::get<DecodedAdvertisement>(decoded).advertisement.interval == row.on_wire);
  }
}

TEST_CASE("255 addresses fit, in their order") {
  Advertisement sent{.vrid = 7, .priority = 1, .interval = 1s, .addresses = {}};
  for (int i = 0; i < 255; ++i) sent.addresses.push_back(ip("10.0.0." + std::to_string(i)));
  for (const ChecksumForm form : {ChecksumForm::PseudoHeader, ChecksumForm::Rfc9568}) {
    const auto message = encode(sent, ip("10.0.0.2"), ip("10.0.0.3"), form);
    const auto decoded = std::get<DecodedAdvertisement>(
        decode({.source = ip("10.0.0.2"), .destination = ip("10.0.0.3"), .ttl = 255, .message = message}, 7));
    CHECK(decoded.advertisement == sent);
    CHECK(decoded.checksum == form);
  }
}

}  // namespace
}  // namespace vipward
