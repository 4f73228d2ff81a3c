// VRRP packets between two hosts.
#include "lb/vip/vrrp_socket.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "lb/vip/packet.h"
#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

using Bytes = std::vector<std::uint8_t>;

Bytes receive_within(VrrpSocket& socket, Millis limit) {
  Bytes datagram(1500);
  std::optional<std::size_t> size;
  wait_until([&] { return (size = socket.receive(datagram)).has_value(); }, limit, 1ms);
  datagram.resize(size.value_or(0));
  return datagram;
}

struct VrrpBench : VipBench {
  VrrpBench() {
    REQUIRE(here->attach("eth0", index()) == std::nullopt);
    REQUIRE(there->attach("eth0", peer_links->table().find("eth0")->index) == std::nullopt);
  }
  Host peer = net.host("peer");
  std::unique_ptr<LinkWatch> peer_links = make_inside<LinkWatch>(peer);
  std::unique_ptr<VrrpSocket> here = make_inside<VrrpSocket>(holder);
  std::unique_ptr<VrrpSocket> there = make_inside<VrrpSocket>(peer);
  const Bytes message{0x31, 0x33, 0x64, 0x01, 0x00, 0x0a, 0x00, 0x00, 10, 77, 0, 100};
};

TEST_CASE("a packet arrives whole, with TTL 255, TOS 0xc0 and the source that was asked for") {
  VrrpBench bench;
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.100/32", "dev", "eth0"});
  run_ok(bench.holder, {"ip", "address", "add", "10.77.0.66/24", "dev", "eth0"});
  const IpAddress from = ip("10.77.0.66");
  REQUIRE(bench.here->send(from, bench.peer.address(), bench.message) == 0);
  const Bytes datagram = receive_within(*bench.there, 5s);
  REQUIRE(datagram.size() == 20 + bench.message.size());
  CHECK(datagram[1] == 0xc0);
  const auto parsed = parse_ipv4_datagram(datagram);
  REQUIRE(std::holds_alternative<VrrpDatagram>(parsed));
  const auto& heard = std::get<VrrpDatagram>(parsed);
  CHECK(heard.ttl == 255);
  CHECK(heard.source == from);
  CHECK(heard.destination == bench.peer.address());
  CHECK(Bytes(heard.message.begin(), heard.message.end()) == bench.message);
}

TEST_CASE("a source that is not of this host, or an interface that is down, is an error of the send") {
  VrrpBench bench;
  CHECK(bench.here->send(ip("10.77.0.250"), bench.peer.address(), bench.message) == ENETUNREACH);
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
  CHECK(bench.here->send(bench.holder.address(), bench.peer.address(), bench.message) == ENETUNREACH);
}

TEST_CASE("a router that speaks multicast is heard") {
  VrrpBench bench;
  bench.peer.call([&] {
    const Fd router(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, kVrrpProtocol));
    ip_mreqn interface {};
    interface.imr_address.s_addr = inet_addr(bench.peer.address().to_string().c_str());
    REQUIRE(setsockopt(router.get(), IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) == 0);
    sockaddr_in group{};
    group.sin_family = AF_INET;
    group.sin_addr.s_addr = inet_addr("224.0.0.18");
    REQUIRE(sendto(router.get(), bench.message.data(), bench.message.size(), 0,
                   reinterpret_cast<const sockaddr*>(&group), sizeof group) == 12);
  });
  const Bytes datagram = receive_within(*bench.here, 5s);
  const auto parsed = parse_ipv4_datagram(datagram);
  REQUIRE(std::holds_alternative<VrrpDatagram>(parsed));
  CHECK(std::get<VrrpDatagram>(parsed).destination == ip("224.0.0.18"));
  CHECK(std::get<VrrpDatagram>(parsed).source == bench.peer.address());
}

TEST_CASE("before it is attached a socket hears and says nothing") {
  VrrpBench bench;
  const auto deaf = make_inside<VrrpSocket>(bench.peer);
  CHECK(deaf->send(bench.peer.address(), bench.holder.address(), bench.message) == ENODEV);
  REQUIRE(bench.here->send(bench.holder.address(), bench.peer.address(), bench.message) == 0);
  REQUIRE_FALSE(receive_within(*bench.there, 5s).empty());
  CHECK(receive_within(*deaf, 0ms).empty());
}

TEST_CASE("another interface of the host is not heard") {
  VrrpBench bench;
  bench.make_interface("other");
  const auto elsewhere = make_inside<VrrpSocket>(bench.holder);
  REQUIRE(elsewhere->attach("other", bench.index("other")) == std::nullopt);
  REQUIRE(bench.there->send(bench.peer.address(), bench.holder.address(), bench.message) == 0);
  REQUIRE_FALSE(receive_within(*bench.here, 5s).empty());
  CHECK(receive_within(*elsewhere, 0ms).empty());
}

TEST_CASE("the socket follows an interface that is made anew under its name") {
  VrrpBench bench;
  // A second wire between the two, past the bridge.
  const auto make_wire = [&] {
    run_ok(bench.holder, {"ip", "link", "add", "name", "wire", "type", "veth", "peer", "name", "wire",
                          "netns", bench.peer.namespace_name()});
    run_ok(bench.holder, {"ip", "address", "add", "10.78.0.1/24", "dev", "wire"});
    run_ok(bench.peer, {"ip", "address", "add", "10.78.0.2/24", "dev", "wire"});
    run_ok(bench.holder, {"ip", "link", "set", "wire", "up"});
    run_ok(bench.peer, {"ip", "link", "set", "wire", "up"});
    bench.peer_links->drain(Clock::now());
    REQUIRE(bench.there->attach("wire", bench.peer_links->table().find("wire")->index) == std::nullopt);
  };
  const auto is_heard = [&] {
    return bench.there->send(ip("10.78.0.2"), ip("10.78.0.1"), bench.message) == 0 &&
           !receive_within(*bench.here, 5s).empty();
  };
  const int fd = bench.here->fd();
  make_wire();
  REQUIRE(bench.here->attach("wire", bench.index("wire")) == std::nullopt);
  CHECK(is_heard());
  // More often than a socket may have memberships (20).
  for (int round = 0; round < 25; ++round) {
    run_ok(bench.holder, {"ip", "link", "del", "wire"});
    REQUIRE(bench.table().find("wire") == nullptr);
    REQUIRE(bench.here->attach("wire", 0) == std::nullopt);
    CHECK(bench.here->send(ip("10.78.0.1"), ip("10.78.0.2"), bench.message) == ENODEV);
    make_wire();
    REQUIRE(bench.here->attach("wire", bench.index("wire")) == std::nullopt);
  }
  CHECK(is_heard());
  CHECK(bench.here->fd() == fd);
}

TEST_CASE("an interface that does not exist is said") {
  VrrpBench bench;
  CHECK(bench.here->attach("missing", 77) == "cannot bind the VRRP socket to missing: No such device");
}

}  // namespace
}  // namespace vipward::test
