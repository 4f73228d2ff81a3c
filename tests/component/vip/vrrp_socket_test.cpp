// VRRP packets between two hosts, over either family.
#include "lb/vip/vrrp_socket.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/component/vip/vip_bench.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

using Bytes = std::vector<std::uint8_t>;

struct Heard {
  IpAddress source;
  IpAddress destination;
  int ttl = 0;
  Bytes message;
};

std::optional<Heard> receive_within(VrrpSocket& socket, Millis limit) {
  Bytes buffer(1500);
  std::optional<std::variant<VrrpDatagram, VrrpRejectReason>> received;
  wait_until([&] { return (received = socket.receive(buffer)).has_value(); }, limit, 1ms);
  if (!received) return std::nullopt;
  REQUIRE(std::holds_alternative<VrrpDatagram>(*received));
  const auto& datagram = std::get<VrrpDatagram>(*received);
  return Heard{.source = datagram.source,
               .destination = datagram.destination,
               .ttl = datagram.ttl,
               .message = {datagram.message.begin(), datagram.message.end()}};
}

struct VrrpBench : VipBench {
  explicit VrrpBench(int wanted = AF_INET) : family(wanted) {
    REQUIRE(here->attach("eth0", index()) == std::nullopt);
    REQUIRE(there->attach("eth0", peer_links->table().find("eth0")->index) == std::nullopt);
  }
  IpAddress own() const { return family == AF_INET ? holder.address() : holder.address_v6(); }
  IpAddress other() const { return family == AF_INET ? peer.address() : peer.address_v6(); }
  std::string prefix() const { return family == AF_INET ? "/24" : "/64"; }

  int family;
  Host peer = net.host("peer");
  std::unique_ptr<LinkWatch> peer_links = make_inside<LinkWatch>(peer);
  std::unique_ptr<VrrpSocket> here = make_inside<VrrpSocket>(holder, family);
  std::unique_ptr<VrrpSocket> there = make_inside<VrrpSocket>(peer, family);
  const Bytes message{0x31, 0x33, 0x64, 0x01, 0x00, 0x0a, 0x00, 0x00, 10, 77, 0, 100};
};

constexpr std::array<int, 2> kFamilies{AF_INET, AF_INET6};

TEST_CASE("a packet arrives whole, with TTL 255 and the source that was asked for") {
  for (const int family : kFamilies) {
    CAPTURE(family);
    VrrpBench bench(family);
    const IpAddress from = ip(family == AF_INET ? "10.77.0.66" : "fd77::66");
    std::vector<std::string> add{"ip", "address", "add", from.to_string() + bench.prefix(), "dev", "eth0"};
    if (family == AF_INET6) add.push_back("nodad");
    run_ok(bench.holder, add);
    REQUIRE(bench.here->send(from, bench.other(), bench.message) == 0);
    const auto heard = receive_within(*bench.there, 5s);
    REQUIRE(heard);
    CHECK(heard->ttl == 255);
    CHECK(heard->source == from);
    CHECK(heard->destination == bench.other());
    CHECK(heard->message == bench.message);
  }
}

TEST_CASE("the group hears a packet, with TTL 255, and its sender does not") {
  for (const int family : kFamilies) {
    CAPTURE(family);
    VrrpBench bench(family);
    const IpAddress from = family == AF_INET ? bench.holder.address() : bench.holder.link_local();
    REQUIRE(bench.here->send(from, vrrp_group(family), bench.message) == 0);
    const auto heard = receive_within(*bench.there, 5s);
    REQUIRE(heard);
    CHECK(heard->ttl == 255);
    CHECK(heard->source == from);
    CHECK(heard->destination == vrrp_group(family));
    CHECK(heard->message == bench.message);
    CHECK_FALSE(receive_within(*bench.here, 0ms));
  }
}

TEST_CASE("a link-local peer is reached by the interface") {
  VrrpBench bench(AF_INET6);
  REQUIRE(bench.here->send(bench.holder.link_local(), bench.peer.link_local(), bench.message) == 0);
  const auto heard = receive_within(*bench.there, 5s);
  REQUIRE(heard);
  CHECK(heard->source == bench.holder.link_local());
}

TEST_CASE("a packet carries the traffic class of internetwork control") {
  for (const int family : kFamilies) {
    CAPTURE(family);
    VrrpBench bench(family);
    const Fd ear = bench.peer.call([&] {
      Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(family == AF_INET ? 0x0800 : 0x86dd)));
      timeval limit{.tv_sec = 5, .tv_usec = 0};
      REQUIRE(setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
      return socket;
    });
    REQUIRE(bench.here->send(bench.own(), bench.other(), bench.message) == 0);
    std::array<std::uint8_t, 256> frame{};
    const auto is_vrrp = [&] { return frame[family == AF_INET ? 14 + 9 : 14 + 6] == kVrrpProtocol; };
    for (int frames = 0; frames < 100 && !is_vrrp(); ++frames) {
      REQUIRE(recv(ear.get(), frame.data(), frame.size(), 0) > 0);
    }
    REQUIRE(is_vrrp());
    const int traffic_class = family == AF_INET ? frame[15] : (frame[14] << 4 | frame[15] >> 4) & 0xff;
    CHECK(traffic_class == 0xc0);
  }
}

TEST_CASE("a source that is not of this host, or an interface that is down, is an error of the send") {
  VrrpBench bench;
  CHECK(bench.here->send(ip("10.77.0.250"), bench.other(), bench.message) == ENETUNREACH);
  run_ok(bench.holder, {"ip", "link", "set", "eth0", "down"});
  CHECK(bench.here->send(bench.own(), bench.other(), bench.message) == ENETUNREACH);
  VrrpBench v6(AF_INET6);
  CHECK(v6.here->send(ip("fd77::250"), v6.other(), v6.message) != 0);
  run_ok(v6.holder, {"ip", "link", "set", "eth0", "down"});
  CHECK(v6.here->send(v6.own(), v6.other(), v6.message) != 0);
}

TEST_CASE("a socket that an older version has left gets the options that it did not know") {
  VrrpBench bench;
  Fd old = bench.holder.call([] { return Fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, kVrrpProtocol)); });
  const VrrpSocket inherited(AF_INET, std::move(old), bench.index());
  const auto option = [&](int name) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(getsockopt(inherited.fd(), IPPROTO_IP, name, &value, &size) == 0);
    return value;
  };
  CHECK(option(IP_MULTICAST_TTL) == 255);
  CHECK(option(IP_MULTICAST_LOOP) == 0);
}

TEST_CASE("a group that the kernel has forgotten is joined again") {
  VrrpBench bench(AF_INET6);
  // Too little for IPv6: the kernel takes it off the interface, groups included.
  run_ok(bench.peer, {"ip", "link", "set", "eth0", "mtu", "1279"});
  run_ok(bench.peer, {"ip", "link", "set", "eth0", "mtu", "1500"});
  bench.peer_links->drain(Clock::now());
  REQUIRE(bench.there->attach("eth0", bench.peer_links->table().find("eth0")->index) == std::nullopt);
  REQUIRE(bench.here->send(bench.holder.link_local(), vrrp_group(AF_INET6), bench.message) == 0);
  CHECK(receive_within(*bench.there, 5s));
}

TEST_CASE("before it is attached a socket hears and says nothing") {
  for (const int family : kFamilies) {
    CAPTURE(family);
    VrrpBench bench(family);
    const auto deaf = make_inside<VrrpSocket>(bench.peer, family);
    CHECK(deaf->send(bench.other(), bench.own(), bench.message) == ENODEV);
    REQUIRE(bench.here->send(bench.own(), bench.other(), bench.message) == 0);
    REQUIRE(receive_within(*bench.there, 5s));
    CHECK_FALSE(receive_within(*deaf, 0ms));
  }
}

TEST_CASE("another interface of the host is not heard") {
  for (const int family : kFamilies) {
    CAPTURE(family);
    VrrpBench bench(family);
    bench.make_interface("other");
    const auto elsewhere = make_inside<VrrpSocket>(bench.holder, family);
    REQUIRE(elsewhere->attach("other", bench.index("other")) == std::nullopt);
    REQUIRE(bench.there->send(bench.other(), bench.own(), bench.message) == 0);
    REQUIRE(receive_within(*bench.here, 5s));
    CHECK_FALSE(receive_within(*elsewhere, 0ms));
  }
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
           receive_within(*bench.here, 5s).has_value();
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
