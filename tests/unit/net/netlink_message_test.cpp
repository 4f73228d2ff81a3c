#include "lb/net/netlink_message.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Datagrams of a kernel (6.18), kept as the corpus of the fuzz target.
std::vector<std::byte> captured(const std::string& name) {
  std::ifstream file("tests/fuzz/corpus/netlink/" + name, std::ios::binary);
  REQUIRE(file);
  std::vector<std::byte> bytes;
  std::transform(std::istreambuf_iterator<char>(file), {}, std::back_inserter(bytes),
                 [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

NetlinkAnswer decoded(std::span<const std::byte> bytes,
                      std::optional<std::uint32_t> sequence = std::nullopt) {
  NetlinkAnswer answer;
  decode(bytes, sequence, answer);
  return answer;
}

TEST_CASE("what a kernel says of an address is read") {
  const NetlinkAnswer answer = decoded(captured("address"));
  REQUIRE(answer.events.size() == 1);
  const auto& event = std::get<AddressEvent>(answer.events[0]);
  CHECK_FALSE(event.is_gone);
  CHECK(event.address.address.to_string() == "10.0.0.100");
  CHECK(event.address.prefix == 32);
  CHECK(event.address.interface != 0);
  CHECK(answer.result == std::nullopt);
  CHECK(std::get<AddressEvent>(decoded(captured("address_gone")).events.at(0)).is_gone);
}

TEST_CASE("what a kernel says of an interface is read") {
  const NetlinkAnswer answer = decoded(captured("link"));
  REQUIRE(answer.events.size() == 1);
  const auto& event = std::get<LinkEvent>(answer.events[0]);
  CHECK(event.link.name.starts_with("v"));
  CHECK(event.link.mac != MacAddress{});
  CHECK_FALSE(event.is_gone);
  CHECK(std::get<LinkEvent>(decoded(captured("link_gone")).events.at(0)).is_gone);
}

TEST_CASE("cut anywhere, a datagram says nothing and does no harm") {
  for (const char* name : {"address", "address_gone", "link", "link_gone", "dump_end"}) {
    const std::vector<std::byte> whole = captured(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // On the heap in its exact size, so that a sanitizer sees a byte too far.
      const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<long>(size));
      CHECK(decoded(part).events.empty());
    }
  }
}

TEST_CASE("answers to another request are skipped") {
  const std::vector<std::byte> end = captured("dump_end");
  CHECK(decoded(end, 7).result == 0);
  CHECK(decoded(end, 8).result == std::nullopt);
}

TEST_CASE("a result that is no errno is a broken protocol") {
  CHECK(decoded(captured("result_beyond")).result == EPROTO);
}

TEST_CASE("a renewal and a removal carry what keeps them from making an address") {
  const HostAddress address{
      .interface = 2, .address = IpAddress::parse("10.0.0.100").value(), .lifetime = 2s};
  const auto flags_of = [&](AddressRequest request) {
    return std::to_integer<unsigned>(encode(request, address, 1)[7]);  // nlmsg_flags, the high byte
  };
  CHECK(flags_of(AddressRequest::Create) == 0x06);  // NLM_F_CREATE | NLM_F_EXCL
  CHECK(flags_of(AddressRequest::Ensure) == 0x05);  // NLM_F_CREATE | NLM_F_REPLACE
  CHECK(flags_of(AddressRequest::Renew) == 0x01);   // NLM_F_REPLACE
  CHECK(flags_of(AddressRequest::Remove) == 0x00);
}

}  // namespace
}  // namespace vipward
