#include "lb/net/address.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

namespace vipward {
namespace {

std::string parsed_ip(std::string_view text) {
  const auto ip = IpAddress::parse(text);
  return ip ? ip->to_string() : "no";
}

std::string parsed_socket_address(std::string_view text) {
  const auto address = SocketAddress::parse(text);
  return address ? address->to_string() : "no";
}

std::string parsed_cidr(std::string_view text) {
  const auto cidr = Cidr::parse(text);
  return cidr ? cidr->to_string() : "no";
}

TEST_CASE("an IP address is parsed strictly and printed in its shortest form") {
  struct Row {
    std::string_view text;
    std::string_view expected;
  };
  const std::vector<Row> rows{
      {"10.0.0.1", "10.0.0.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"255.255.255.255", "255.255.255.255"},
      {"fd00::1", "fd00::1"},
      {"FD00:0:0:0:0:0:0:1", "fd00::1"},
      {"::", "::"},
      {"::1", "::1"},
      {"::ffff:10.0.0.1", "10.0.0.1"},
      {"::ffff:a00:1", "10.0.0.1"},
      {"::10.0.0.1", "::10.0.0.1"},
      {"", "no"},
      {"10.0.0", "no"},
      {"10.0.0.256", "no"},
      {"10.0.0.1.2", "no"},
      {"10.0.0.1 ", "no"},
      {" 10.0.0.1", "no"},
      {"10.0.0.1/24", "no"},
      {"0x0a.0.0.1", "no"},
      {"[fd00::1]", "no"},
      {"fe80::1%eth0", "no"},
      {"fd00::1::2", "no"},
      {"kube-1", "no"},
      {std::string_view("10.0.0.1\0", 9), "no"},
      {std::string_view("10.0.0.1\0.evil", 14), "no"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parsed_ip(row.text) == row.expected);
  }
}

TEST_CASE("a socket address needs a port, and brackets around IPv6 alone") {
  struct Row {
    std::string_view text;
    std::string_view expected;
  };
  const std::vector<Row> rows{
      {"10.0.0.1:6443", "10.0.0.1:6443"},
      {"10.0.0.1:0", "10.0.0.1:0"},
      {"10.0.0.1:65535", "10.0.0.1:65535"},
      {"[fd00::1]:6443", "[fd00::1]:6443"},
      {"[::]:6443", "[::]:6443"},
      {"[::ffff:10.0.0.1]:6443", "10.0.0.1:6443"},
      {"10.0.0.1", "no"},
      {"10.0.0.1:", "no"},
      {"10.0.0.1:65536", "no"},
      {"10.0.0.1:4294967297", "no"},
      {"10.0.0.1:-1", "no"},
      {"10.0.0.1:+1", "no"},
      {"10.0.0.1:6443 ", "no"},
      {"10.0.0.1: 6443", "no"},
      {":6443", "no"},
      {"6443", "no"},
      {"fd00::1:6443", "no"},
      {"[10.0.0.1]:6443", "no"},
      {"[fd00::1]", "no"},
      {"[fd00::1]6443", "no"},
      {"[]:6443", "no"},
      {"vip:6443", "no"},
      {"", "no"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parsed_socket_address(row.text) == row.expected);
  }
}

TEST_CASE("a CIDR keeps its host bits, and a bare address means the host alone") {
  struct Row {
    std::string_view text;
    std::string_view expected;
  };
  const std::vector<Row> rows{
      {"10.0.0.100/24", "10.0.0.100/24"},
      {"10.0.0.1", "10.0.0.1/32"},
      {"fd00::1", "fd00::1/128"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"::/0", "::/0"},
      {"fd00::/128", "fd00::/128"},
      {"10.0.0.0/33", "no"},
      {"fd00::/129", "no"},
      {"10.0.0.0/", "no"},
      {"10.0.0.0/-1", "no"},
      {"10.0.0.0/8/8", "no"},
      {"10.0.0.0/24 ", "no"},
      {"/24", "no"},
      {"", "no"},
      // Stored as 10.0.0.0, which has no 104 bits.
      {"::ffff:10.0.0.0/104", "no"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(parsed_cidr(row.text) == row.expected);
  }
}

TEST_CASE("a CIDR holds exactly the addresses of its network and family") {
  struct Row {
    std::string_view cidr;
    std::string_view ip;
    bool expected;
  };
  const std::vector<Row> rows{
      {"10.0.0.100/24", "10.0.0.1", true},
      {"10.0.0.100/24", "10.0.0.255", true},
      {"10.0.0.100/24", "10.0.1.0", false},
      {"10.0.0.0/25", "10.0.0.127", true},
      {"10.0.0.0/25", "10.0.0.128", false},
      {"10.0.0.0/31", "10.0.0.1", true},
      {"10.0.0.0/31", "10.0.0.2", false},
      {"10.0.0.1/32", "10.0.0.1", true},
      {"10.0.0.1/32", "10.0.0.0", false},
      {"0.0.0.0/0", "255.1.2.3", true},
      {"0.0.0.0/0", "fd00::1", false},
      {"0.0.0.0/0", "::ffff:1.2.3.4", true},
      {"10.0.0.0/8", "::ffff:10.9.9.9", true},
      {"::/0", "fd00::1", true},
      {"::/0", "10.0.0.1", false},
      {"fd00::/9", "fd7f::1", true},
      {"fd00::/9", "fd80::1", false},
      {"fd00::1/128", "fd00::1", true},
      {"fd00::1/128", "fd00::2", false},
      {"fd00::/127", "fd00::1", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.cidr);
    CAPTURE(row.ip);
    CHECK(Cidr::parse(row.cidr).value().contains(IpAddress::parse(row.ip).value()) == row.expected);
  }
}

TEST_CASE("an address goes to the kernel's form and back unchanged") {
  for (const std::string_view text : {"10.1.2.3:6443", "[fd00::17]:9345", "0.0.0.0:0", "[::]:65535"}) {
    CAPTURE(text);
    const SocketAddress address = SocketAddress::parse(text).value();
    sockaddr_storage storage{};
    const socklen_t size = address.to_sockaddr(storage);
    CHECK(size == (address.ip().is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)));
    CHECK(SocketAddress::from_sockaddr(storage) == address);
  }
}

TEST_CASE("an IPv4 client of an IPv6 socket is the IPv4 client it is") {
  const std::array<std::uint8_t, 16> as_bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7};
  CHECK(IpAddress::from_bytes(as_bytes) == IpAddress::parse("192.0.2.7"));
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(1234);
  REQUIRE(inet_pton(AF_INET6, "::ffff:192.0.2.7", &mapped.sin6_addr) == 1);
  sockaddr_storage storage{};
  std::memcpy(&storage, &mapped, sizeof mapped);
  CHECK(SocketAddress::from_sockaddr(storage) == SocketAddress::parse("192.0.2.7:1234"));
}

TEST_CASE("what is no address of a socket is the unspecified one, not an error") {
  CHECK(SocketAddress::local_of(-1) == SocketAddress());
  CHECK(SocketAddress::peer_of(-1) == SocketAddress());
  CHECK(SocketAddress().ip().is_unspecified());
  CHECK(IpAddress::parse("::").value().is_unspecified());
  CHECK_FALSE(IpAddress::parse("::1").value().is_unspecified());
  CHECK_FALSE(IpAddress::parse("0.0.0.1").value().is_unspecified());
}

TEST_CASE("addresses of different families never compare equal") {
  CHECK(IpAddress::parse("0.0.0.0").value() != IpAddress::parse("::").value());
  CHECK(SocketAddress::parse("10.0.0.1:1").value() != SocketAddress::parse("10.0.0.1:2").value());
}

TEST_CASE("link-local is what fe80::/10 holds, and nothing in IPv4") {
  for (const char* text : {"fe80::1", "fe80:1::1", "febf::1"}) CHECK(IpAddress::parse(text)->is_link_local());
  for (const char* text : {"fec0::1", "fd00::1", "ff02::1", "::1", "169.254.0.1"}) {
    CHECK_FALSE(IpAddress::parse(text)->is_link_local());
  }
}

}  // namespace
}  // namespace vipward
