#include "lb/vip/ndisc.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/seed_corpus.h"
#include "tests/unit/vip/hex.h"

namespace vipward {
namespace {

using Frame = std::vector<std::uint8_t>;

const MacAddress kOwn{2, 0, 0, 0, 0, 2};
const IpAddress kOwnAddress = IpAddress::parse("fe80::ff:fe00:2").value();
const IpAddress kVip = IpAddress::parse("fd99::100").value();

Frame bytes_of(std::span<const std::uint8_t> frame) {
  return {frame.begin(), frame.end()};
}

Frame own_advertisement() {
  return bytes_of(unsolicited_na({.mac = kOwn}, kVip));
}

// Makes length and checksum what the frame says after a change.
Frame repaired(Frame frame) {
  const std::size_t length = frame.size() - 54;
  frame[18] = static_cast<std::uint8_t>(length >> 8);
  frame[19] = static_cast<std::uint8_t>(length & 0xff);
  frame[56] = frame[57] = 0;
  std::size_t sum = length + 58;
  for (std::size_t i = 22; i < frame.size(); ++i) sum += i % 2 == 0 ? frame[i] * 256U : frame[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  frame[56] = static_cast<std::uint8_t>(~sum >> 8 & 0xff);
  frame[57] = static_cast<std::uint8_t>(~sum & 0xff);
  return frame;
}

// The advertisement with other options than its own.
Frame with_options(const std::string& options) {
  Frame frame = own_advertisement();
  frame.resize(78);
  std::ranges::copy(hex(options), std::back_inserter(frame));
  return repaired(std::move(frame));
}

// What the kernel of another holder answers to a solicitation: to us alone, S and O set, from its own
// address.
Frame solicited_answer() {
  Frame frame = with_options("02 01 020000000003");
  frame[58] = 0x60;
  std::ranges::copy(hex("fe80000000000000000000fffe000003 fe80000000000000000000fffe000002"),
                    frame.begin() + 22);
  return repaired(std::move(frame));
}

std::optional<MacAddress> mac_in(const Frame& frame) {
  const auto heard = parse_neighbour_advertisement(frame);
  return heard ? std::optional(heard->mac) : std::nullopt;
}

TEST_CASE("an unsolicited advertisement is the one that keepalived sends, byte for byte") {
  CHECK(own_advertisement() ==
        hex("333300000001 020000000002 86dd 60000000 0020 3a ff fd990000000000000000000000000100"
            "ff020000000000000000000000000001"
            "88 00 576a 20000000 fd990000000000000000000000000100 02 01 020000000002"));
  const IpAddress link_local = IpAddress::parse("fe80::51:1").value();
  CHECK(bytes_of(unsolicited_na({.mac = kOwn}, link_local)) ==
        hex("333300000001 020000000002 86dd 60000000 0020 3a ff fe800000000000000000000000510001"
            "ff020000000000000000000000000001"
            "88 00 56f8 20000000 fe800000000000000000000000510001 02 01 020000000002"));
}

TEST_CASE("a host that forwards says that it is a router") {
  Frame expected = own_advertisement();
  expected[58] = 0xa0;
  CHECK(bytes_of(unsolicited_na({.mac = kOwn, .is_router = true}, kVip)) == repaired(expected));
}

TEST_CASE("a probe is a solicitation that tells where its answer goes, and claims nothing") {
  const IpAddress address = IpAddress::parse("fd99::12:3456").value();
  const Frame expected =
      hex("3333ff123456 020000000002 86dd 60000000 0020 3a ff fe80000000000000000000fffe000002"
          "ff0200000000000000000001ff123456 87 00 0000 00000000 fd990000000000000000000000123456"
          "01 01 020000000002");
  CHECK(bytes_of(neighbour_probe(kOwn, kOwnAddress, address)) == repaired(expected));
  CHECK_FALSE(parse_neighbour_advertisement(expected));
}

TEST_CASE("what is built is read back, with and without padding") {
  const NeighbourAdvertisement expected{.source = kVip, .target = kVip, .mac = kOwn};
  Frame frame = own_advertisement();
  CHECK(parse_neighbour_advertisement(frame) == expected);
  frame.resize(120, 0xaa);
  CHECK(parse_neighbour_advertisement(frame) == expected);
}

TEST_CASE("an answer to one host is read as well: source and target differ") {
  CHECK(parse_neighbour_advertisement(solicited_answer()) ==
        NeighbourAdvertisement{.source = IpAddress::parse("fe80::ff:fe00:3").value(),
                               .target = kVip,
                               .mac = {2, 0, 0, 0, 0, 3}});
}

TEST_CASE("the MAC is that of the option, the first one, else that of the frame") {
  CHECK(mac_in(with_options("")) == kOwn);
  CHECK(mac_in(with_options("02 01 0a0000000007")) == MacAddress{10, 0, 0, 0, 0, 7});
  CHECK(mac_in(with_options("02 01 0a0000000007 02 01 0a0000000008")) == MacAddress{10, 0, 0, 0, 0, 7});
  // Options that nobody knows are skipped, whatever their length (RFC 4861 7.1.2).
  CHECK(mac_in(with_options("fe 02 0000000000000000000000000000 02 01 0a0000000007")) ==
        MacAddress{10, 0, 0, 0, 0, 7});
  CHECK(mac_in(with_options("01 01 0a0000000007")) == kOwn);  // of a source, not of the target
}

TEST_CASE("options of no length, beyond the end or of another kind of link spoil the whole message") {
  CHECK_FALSE(mac_in(with_options("fe 00 000000000000")));
  CHECK_FALSE(mac_in(with_options("02 00 020000000002")));
  CHECK_FALSE(mac_in(with_options("fe 02 000000000000")));
  CHECK_FALSE(mac_in(with_options("02 02 0200000000020000000000000000")));
  for (const auto* rest : {"02", "02 01", "02 01 0200000000"}) CHECK_FALSE(mac_in(with_options(rest)));
}

TEST_CASE("frames cut short are not read, whatever their length, nor those that the header calls shorter") {
  const Frame whole = own_advertisement();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Frame cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(parse_neighbour_advertisement(cut));
  }
  for (std::size_t length = 54; length < 78; ++length) {
    Frame frame = own_advertisement();
    frame.resize(length);
    frame = repaired(std::move(frame));
    frame.resize(100);
    CHECK_FALSE(parse_neighbour_advertisement(frame));
  }
}

TEST_CASE("other protocols, a hop limit below 255, codes and multicast targets are not read") {
  // Offset and the byte that makes it something else; the checksum is right.
  const std::pair<std::size_t, std::uint8_t> changes[] = {{12, 0x08}, {13, 0x00}, {14, 0x40}, {20, 0},
                                                          {20, 17},   {21, 254},  {54, 135},  {54, 0},
                                                          {55, 1},    {62, 0xff}};
  for (const auto& [at, value] : changes) {
    CAPTURE(at);
    Frame frame = own_advertisement();
    frame[at] = value;
    CHECK_FALSE(parse_neighbour_advertisement(repaired(frame)));
  }
}

TEST_CASE("a solicited advertisement to all nodes is not read") {
  Frame frame = own_advertisement();
  frame[58] = 0x60;
  CHECK_FALSE(parse_neighbour_advertisement(repaired(frame)));
}

TEST_CASE("a wrong checksum is found, in whichever byte it is") {
  for (std::size_t at = 22; at < own_advertisement().size(); ++at) {
    CAPTURE(at);
    Frame frame = own_advertisement();
    frame[at] ^= 0x10;
    CHECK_FALSE(parse_neighbour_advertisement(frame));
  }
}

TEST_CASE("an IPv4-mapped address is no claim to that IPv4 address") {
  const Frame mapped = hex("00000000000000000000ffff0a630064");
  for (const std::ptrdiff_t at : {22, 62}) {
    Frame frame = own_advertisement();
    std::ranges::copy(mapped, frame.begin() + at);
    CHECK_FALSE(parse_neighbour_advertisement(repaired(frame)));
  }
}

TEST_CASE("the fuzz target's corpus is an advertisement of every kind, and a solicitation") {
  Frame padded = with_options("");
  padded.resize(100);
  test::Seeds seeds;
  const auto add = [&seeds](const std::string& name, const Frame& frame) {
    seeds[name].assign(frame.begin(), frame.end());
  };
  add("unsolicited", own_advertisement());
  add("router", bytes_of(unsolicited_na({.mac = kOwn, .is_router = true}, kVip)));
  add("solicited", solicited_answer());
  add("padding", padded);
  add("options", with_options("fe 02 0000000000000000000000000000 02 01 0a0000000007 01 01 0a0000000008"));
  add("no_length", with_options("fe 00 000000000000"));
  add("solicitation", bytes_of(neighbour_probe(kOwn, kOwnAddress, kVip)));
  test::check_corpus(VIPWARD_NDISC_CORPUS, seeds);
}

}  // namespace
}  // namespace vipward
