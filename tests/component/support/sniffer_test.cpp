#include "tests/support/sniffer.h"

#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// The VRRP part of a captured keepalived advert: version 3, VRID 51, priority 150, 100 cs, 10.99.0.100.
constexpr std::array<std::uint8_t, 12> kAdvert{0x31, 0x33, 0x96, 0x01, 0x00, 0x64,
                                               0x42, 0xac, 0x0a, 0x63, 0x00, 0x64};

void send_advert(const Host& from, const Host& to) {
  from.call([&] {
    const Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 112));
    REQUIRE(socket);
    const int ttl = 255;
    REQUIRE(setsockopt(socket.get(), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) == 0);
    sockaddr_storage target{};
    const socklen_t size = to.address(0).to_sockaddr(target);
    REQUIRE(sendto(socket.get(), kAdvert.data(), kAdvert.size(), 0, reinterpret_cast<sockaddr*>(&target),
                   size) == static_cast<ssize_t>(kAdvert.size()));
  });
}

void send_advert_v6(const Host& from) {
  from.call([&] {
    const Fd socket(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, 112));
    REQUIRE(socket);
    const int hops = 255;
    REQUIRE(setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) == 0);
    sockaddr_storage storage{};
    const socklen_t size = SocketAddress(*IpAddress::parse("ff02::12"), 0).to_sockaddr(storage);
    sockaddr_in6 target{};
    std::memcpy(&target, &storage, sizeof target);
    target.sin6_scope_id = if_nametoindex("eth0");
    REQUIRE(sendto(socket.get(), kAdvert.data(), kAdvert.size(), 0, reinterpret_cast<sockaddr*>(&target),
                   size) == static_cast<ssize_t>(kAdvert.size()));
  });
}

// Nobody listens: a refusal is an answer.
bool is_reached(const Host& from, const IpAddress& address) {
  return from.call([&] {
    return HttpClient({.address = {address, 6443}, .limit = 1s}).connect() == ClientError::Refused;
  });
}

TEST_CASE("the sniffer keeps an advertisement once, with who sent it and when") {
  Network net;
  Host one = net.host("one");
  const Host two = net.host("two");
  const Sniffer sniffer(net);
  const FrameTime before = FrameClock::now();
  send_advert(one, two);
  REQUIRE(wait_until([&] { return !sniffer.advertisements().empty(); }, 5s));

  SUBCASE("when it arrives") {}
  SUBCASE("also when it is dropped on its way") {
    one.drop_protocol(112);
    send_advert(one, two);
    REQUIRE(wait_until([&] { return sniffer.advertisements().size() == 2; }, 5s));
  }
  for (const AdvertisementFrame& frame : sniffer.advertisements()) {
    CHECK(frame.host == "one");
    CHECK(frame.interval == 1s);
    CHECK(frame.source == one.address());
    CHECK(frame.destination == two.address());
    CHECK(frame.ttl == 255);
    CHECK(frame.version == 3);
    CHECK(frame.vrid == 51);
    CHECK(frame.priority == 150);
    CHECK(frame.time >= before);
    CHECK(frame.time <= FrameClock::now());
  }
  CHECK(sniffer.claims() == std::vector<std::string>{"one"});
  CHECK(sniffer.advertisements_of(two).empty());
  CHECK(sniffer.advertisements(FrameClock::now()).empty());
}

TEST_CASE("the sniffer keeps who asks for an address and who answers, and a neighbour cache can be read") {
  Network net;
  const Host one = net.host("one");
  const Host two = net.host("two");
  const Sniffer sniffer(net);
  const IpAddress address = *IpAddress::parse("10.77.0.200");
  CHECK_FALSE(two.has_address(address));
  two.add_address(address);
  CHECK(two.has_address(address));
  CHECK(one.neighbour(address).empty());
  CHECK(is_reached(one, address));
  CHECK(one.neighbour(address) == two.mac());

  const auto arps = sniffer.arps();
  CHECK(std::ranges::any_of(arps, [&](const ArpFrame& frame) {
    return frame.host == "one" && frame.operation == 1 && frame.sender_mac == one.mac() &&
           frame.sender == one.address() && frame.target == address && !frame.is_gratuitous();
  }));
  CHECK(sniffer.claims_of(two, address).size() == 1);
  CHECK(sniffer.claims_of(one, address).empty());
  one.forget_neighbour(address);
  CHECK(one.neighbour(address).empty());
  two.remove_address(address);
  CHECK_FALSE(two.has_address(address));
}

TEST_CASE("an advertisement over IPv6 is kept with the addresses and the hop limit of its header") {
  Network net;
  const Host one = net.host("one");
  net.host("two");
  const Sniffer sniffer(net);
  send_advert_v6(one);
  REQUIRE(wait_until([&] { return !sniffer.advertisements().empty(); }, 5s));
  const auto frames = sniffer.advertisements_of(one);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].source == one.link_local());
  CHECK(frames[0].destination == *IpAddress::parse("ff02::12"));
  CHECK(frames[0].ttl == 255);
  CHECK(frames[0].version == 3);
  CHECK(frames[0].vrid == 51);
  CHECK(frames[0].priority == 150);
  CHECK(frames[0].interval == 1s);
  CHECK(sniffer.claims() == std::vector<std::string>{"one"});
}

TEST_CASE("the sniffer keeps who solicits an IPv6 address and who advertises it") {
  Network net;
  const Host one = net.host("one");
  const Host two = net.host("two");
  const Sniffer sniffer(net);
  CHECK(is_reached(one, two.address_v6()));
  CHECK(one.neighbour(two.address_v6()) == two.mac());
  const auto frames = sniffer.neighbours();
  CHECK(std::ranges::any_of(frames, [&](const NeighbourFrame& frame) {
    return frame.host == "one" && !frame.is_advertisement() && frame.mac == one.mac() &&
           frame.source == one.address_v6() && frame.target == two.address_v6();
  }));
  const auto claims = sniffer.neighbour_claims_of(two, two.address_v6());
  REQUIRE_FALSE(claims.empty());
  CHECK(claims[0].mac == two.mac());
  CHECK(claims[0].destination == one.address_v6());
  CHECK(claims[0].is_solicited);
  CHECK(claims[0].is_override);
  CHECK_FALSE(claims[0].is_router);
  CHECK(sniffer.neighbour_claims_of(one, two.address_v6()).empty());
  CHECK(sniffer.neighbours(FrameClock::now()).empty());
}

TEST_CASE("an isolated host keeps its carrier and reaches nobody until it rejoins") {
  Network net;
  const Host one = net.host("one");
  Host two = net.host("two");
  const auto reaches = [&] { return is_reached(one, two.address()); };
  CHECK(reaches());
  two.isolate();
  CHECK_FALSE(reaches());
  CHECK(two.run({"cat", "/sys/class/net/eth0/carrier"}).standard_output == "1\n");
  two.rejoin();
  CHECK(wait_until(reaches, 10s));
}

}  // namespace
}  // namespace vipward::test
