#include "lb/vip/arp.h"

#include <doctest/doctest.h>

#include "tests/unit/vip/hex.h"

namespace vipward {
namespace {

const MacAddress kOwn{2, 0, 0, 0, 0, 2};
const IpAddress kVip = IpAddress::parse("10.99.0.100").value();

std::vector<std::uint8_t> bytes_of(const ArpFrame& frame) {
  return {frame.begin(), frame.end()};
}

TEST_CASE("a gratuitous request is the one that keepalived and FRR send, byte for byte") {
  CHECK(bytes_of(garp_request(kOwn, kVip)) == hex("ffffffffffff 020000000002 0806 0001 0800 06 04 0001"
                                                  "020000000002 0a630064 ffffffffffff 0a630064"));
  CHECK(bytes_of(garp_request({0, 0, 0x5e, 0, 1, 0x33}, kVip)) ==
        hex("ffffffffffff 00005e000133 0806 0001 0800 06 04 0001"
            "00005e000133 0a630064 ffffffffffff 0a630064"));
}

TEST_CASE("a gratuitous reply names its sender as the target, or Linux would not take it for one") {
  CHECK(bytes_of(garp_reply(kOwn, kVip)) == hex("ffffffffffff 020000000002 0806 0001 0800 06 04 0002"
                                                "020000000002 0a630064 020000000002 0a630064"));
}

TEST_CASE("a probe asks without claiming: its sender's address is 0") {
  CHECK(bytes_of(arp_probe(kOwn, kVip)) == hex("ffffffffffff 020000000002 0806 0001 0800 06 04 0001"
                                               "020000000002 00000000 000000000000 0a630064"));
}

TEST_CASE("what is built is read back, with and without padding") {
  std::vector<std::uint8_t> frame = bytes_of(garp_reply(kOwn, kVip));
  const ArpPacket expected{
      .operation = ArpOperation::Reply, .sender_mac = kOwn, .sender_ip = kVip, .target_ip = kVip};
  CHECK(parse_arp(frame) == expected);
  frame.resize(60);
  CHECK(parse_arp(frame) == expected);
  const auto probe = parse_arp(arp_probe(kOwn, kVip));
  REQUIRE(probe.has_value());
  CHECK(probe->operation == ArpOperation::Request);
  CHECK(probe->sender_ip.is_unspecified());
  CHECK(probe->target_ip == kVip);
}

TEST_CASE("frames cut short are not read, whatever their length") {
  const ArpFrame whole = garp_request(kOwn, kVip);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::vector<std::uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(parse_arp(cut).has_value());
  }
}

TEST_CASE("other protocols, hardware, lengths and operations are not read") {
  // Offset and the byte that makes it something else.
  const std::pair<std::size_t, std::uint8_t> changes[] = {
      {12, 0x86}, {13, 0x00}, {15, 6}, {16, 0x86}, {18, 8}, {19, 16}, {20, 0x80}, {21, 3}, {21, 0}};
  for (const auto& [at, value] : changes) {
    CAPTURE(at);
    ArpFrame frame = garp_request(kOwn, kVip);
    frame[at] = value;
    CHECK_FALSE(parse_arp(frame).has_value());
  }
}

}  // namespace
}  // namespace vipward
