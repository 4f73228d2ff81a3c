#include "lb/net/netlink_message.h"

#include <doctest/doctest.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

TEST_CASE("what a kernel says of an IPv6 address is read") {
  const NetlinkAnswer answer = decoded(captured("address_v6"));
  REQUIRE(answer.events.size() == 1);
  const auto& event = std::get<AddressEvent>(answer.events[0]);
  CHECK_FALSE(event.is_gone);
  CHECK(event.address.address.to_string() == "fd00::100");
  CHECK(event.address.prefix == 128);
  CHECK(event.address.interface != 0);
  CHECK(event.address.protocol == kAddressProtocolVrrp);
  CHECK(event.address.flags == (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_DEPRECATED));
  CHECK(std::get<AddressEvent>(decoded(captured("address_v6_gone")).events.at(0)).is_gone);
  const NetlinkAnswer tentative = decoded(captured("address_v6_tentative"));
  CHECK((std::get<AddressEvent>(tentative.events.at(0)).address.flags & IFA_F_TENTATIVE) != 0);
}

TEST_CASE("an address whose prefix or length does not fit its family is skipped") {
  std::vector<std::byte> v6 = captured("address_v6");
  REQUIRE(v6[16] == std::byte{AF_INET6});
  v6[17] = std::byte{129};
  CHECK(decoded(v6).events.empty());
  v6[17] = std::byte{32};
  CHECK(decoded(v6).events.size() == 1);
  v6[16] = std::byte{AF_INET};
  CHECK(decoded(v6).events.empty());
  std::vector<std::byte> v4 = captured("address");
  v4[16] = std::byte{AF_INET6};
  CHECK(decoded(v4).events.empty());
  v4[16] = std::byte{AF_INET};
  v4[17] = std::byte{33};
  CHECK(decoded(v4).events.empty());
}

TEST_CASE("an IPv4-mapped IPv6 address is not taken for the IPv4 one") {
  std::vector<std::byte> bytes = captured("address_v6");
  const IpAddress was = IpAddress::parse("fd00::100").value();
  const auto found = std::ranges::search(bytes, std::as_bytes(std::span(was.bytes())));
  REQUIRE_FALSE(found.empty());
  std::ranges::fill(found, std::byte{0});
  found[10] = found[11] = std::byte{0xff};
  bytes[17] = std::byte{32};
  CHECK(decoded(bytes).events.empty());
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
  for (const char* name :
       {"address", "address_gone", "address_v6", "address_v6_gone", "link", "link_gone", "dump_end"}) {
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

// What a request says, as the kernel reads it.
struct Said {
  ifaddrmsg header{};
  std::vector<std::byte> local;
  std::vector<std::byte> address;
  std::optional<std::uint32_t> flags;
  std::optional<ifa_cacheinfo> lifetimes;
  std::optional<std::uint8_t> protocol;
};

template <class T>
T read_from(std::span<const std::byte> bytes) {
  T value;
  REQUIRE(bytes.size() >= sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

Said said_by(const std::vector<std::byte>& request) {
  Said said;
  std::span<const std::byte> rest(request);
  CHECK(read_from<nlmsghdr>(rest).nlmsg_len == request.size());
  rest = rest.subspan(sizeof(nlmsghdr));
  said.header = read_from<ifaddrmsg>(rest);
  rest = rest.subspan(sizeof said.header);
  while (!rest.empty()) {
    const auto header = read_from<rtattr>(rest);
    const auto value = rest.subspan(sizeof header, header.rta_len - sizeof header);
    if (header.rta_type == IFA_LOCAL) said.local.assign(value.begin(), value.end());
    if (header.rta_type == IFA_ADDRESS) said.address.assign(value.begin(), value.end());
    if (header.rta_type == IFA_FLAGS) said.flags = read_from<std::uint32_t>(value);
    if (header.rta_type == IFA_CACHEINFO) said.lifetimes = read_from<ifa_cacheinfo>(value);
    if (header.rta_type == IFA_PROTO) said.protocol = read_from<std::uint8_t>(value);
    rest = rest.subspan(RTA_ALIGN(header.rta_len));
  }
  return said;
}

Said said_of(AddressRequest request, const char* address, std::chrono::seconds lifetime) {
  const HostAddress what{.interface = 2, .address = IpAddress::parse(address).value(), .lifetime = lifetime};
  return said_by(encode(request, what, 1));
}

TEST_CASE("a request says the address of the host alone, in its family and scope") {
  for (const auto request :
       {AddressRequest::Create, AddressRequest::Ensure, AddressRequest::Renew, AddressRequest::Remove}) {
    const Said v4 = said_of(request, "10.0.0.100", 2s);
    CHECK(v4.header.ifa_family == AF_INET);
    CHECK(v4.header.ifa_prefixlen == 32);
    CHECK(v4.header.ifa_scope == RT_SCOPE_UNIVERSE);
    CHECK(v4.header.ifa_index == 2);
    CHECK(v4.local == std::vector{std::byte{10}, std::byte{0}, std::byte{0}, std::byte{100}});
    CHECK(v4.address == v4.local);
    const Said v6 = said_of(request, "fd00::100", 2s);
    CHECK(v6.header.ifa_family == AF_INET6);
    CHECK(v6.header.ifa_prefixlen == 128);
    CHECK(v6.header.ifa_scope == RT_SCOPE_UNIVERSE);
    CHECK(v6.local.size() == 16);
    CHECK(v6.local[0] == std::byte{0xfd});
    CHECK(v6.address == v6.local);
    CHECK(said_of(request, "fe80::100", 2s).header.ifa_scope == RT_SCOPE_LINK);
  }
}

TEST_CASE("every request but a removal repeats flags, protocol and lifetimes") {
  for (const auto request : {AddressRequest::Create, AddressRequest::Ensure, AddressRequest::Renew}) {
    const std::uint32_t if_there = request == AddressRequest::Renew ? IFA_F_MCAUTOJOIN : 0U;
    const Said v4 = said_of(request, "10.0.0.100", 2s);
    CHECK(v4.flags == (IFA_F_NOPREFIXROUTE | if_there));
    CHECK(v4.protocol == kAddressProtocolVrrp);
    REQUIRE(v4.lifetimes);
    CHECK(v4.lifetimes->ifa_valid == 2);
    CHECK(v4.lifetimes->ifa_prefered == 2);
    for (const char* address : {"fd00::100", "fe80::100"}) {
      const Said v6 = said_of(request, address, 2s);
      CHECK(v6.flags == (IFA_F_NODAD | IFA_F_NOPREFIXROUTE | if_there));
      CHECK(v6.protocol == kAddressProtocolVrrp);
      REQUIRE(v6.lifetimes);
      CHECK(v6.lifetimes->ifa_valid == 2);
      CHECK(v6.lifetimes->ifa_prefered == 0);
    }
    CHECK(said_of(request, "fd00::100", 0s).lifetimes->ifa_valid == ~std::uint32_t{0});
    CHECK(said_of(request, "fd00::100", 0s).lifetimes->ifa_prefered == 0);
    CHECK(said_of(request, "10.0.0.100", 0s).lifetimes->ifa_prefered == ~std::uint32_t{0});
  }
  CHECK(said_of(AddressRequest::Remove, "fd00::100", 0s).flags == std::nullopt);
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
