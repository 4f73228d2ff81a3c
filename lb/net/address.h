// IPv4 and IPv6 addresses as values: parsed from text, printed, compared. Any thread.
// Addresses only, never names: a resolver that is down must not take the API along.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vipward {

// An address without a port. An IPv4-mapped IPv6 address is stored as the IPv4 address it means.
class IpAddress {
 public:
  IpAddress() = default;
  // "10.0.0.1" or "fd00::1"; no brackets, no zone.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress from_sockaddr(const sockaddr_storage& storage);
  // In network byte order, 4 of them or 16; of another number: nullopt.
  static std::optional<IpAddress> from_bytes(std::span<const std::uint8_t> bytes);

  bool is_v4() const { return family_ == AF_INET; }
  int family() const { return family_; }
  bool is_unspecified() const;
  // IPv6 and in fe80::/10: means nothing without the interface.
  bool is_link_local() const;
  // 32 or 128: the prefix that means this address alone.
  unsigned bits() const { return is_v4() ? 32 : 128; }
  bool is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }
  // Network byte order: the first 4 bytes for IPv4, all 16 for IPv6.
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  std::string to_string() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  int family_ = AF_INET;
  std::array<std::uint8_t, 16> bytes_{};
};

// A network: "10.0.0.0/24". Host bits may be set ("10.0.0.100/24"); `contains` ignores them.
struct Cidr {
  IpAddress address;
  unsigned prefix = 0;

  // A bare address means the host alone (/32, /128).
  static std::optional<Cidr> parse(std::string_view text);
  bool contains(const IpAddress& other) const;
  std::string to_string() const;
  bool operator==(const Cidr&) const = default;
};

// An address with a port, ready for bind(2) and connect(2).
class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(IpAddress ip, std::uint16_t port) : ip_(ip), port_(port) {}
  // "10.0.0.1:6443" or "[fd00::1]:6443"; the port is required, 0 to 65535.
  static std::optional<SocketAddress> parse(std::string_view text);
  static SocketAddress from_sockaddr(const sockaddr_storage& storage);
  // The local / the other end of a connected or bound socket; unspecified if the kernel says no.
  static SocketAddress local_of(int fd);
  static SocketAddress peer_of(int fd);

  const IpAddress& ip() const { return ip_; }
  std::uint16_t port() const { return port_; }
  // Fills `storage`, returns the length to pass to the system call.
  socklen_t to_sockaddr(sockaddr_storage& storage) const;
  std::string to_string() const;
  auto operator<=>(const SocketAddress&) const = default;

 private:
  IpAddress ip_;
  std::uint16_t port_ = 0;
};

}  // namespace vipward
