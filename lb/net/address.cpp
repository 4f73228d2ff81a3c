#include "lb/net/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace vipward {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

template <class T>
std::optional<T> parse_number(std::string_view text, T max) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;
  IpAddress result;
  if (inet_pton(AF_INET, terminated.c_str(), result.bytes_.data()) == 1) return result;
  std::array<std::uint8_t, 16> v6{};
  if (inet_pton(AF_INET6, terminated.c_str(), v6.data()) != 1) return std::nullopt;
  return from_bytes(v6);
}

std::optional<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  IpAddress result;
  if (bytes.size() != 4 && bytes.size() != result.bytes_.size()) return std::nullopt;
  const bool is_v6 = bytes.size() == result.bytes_.size();
  const bool is_mapped = is_v6 && std::memcmp(bytes.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0;
  if (is_mapped) bytes = bytes.subspan(kMappedPrefix.size());
  if (is_v6 && !is_mapped) result.family_ = AF_INET6;
  std::memcpy(result.bytes_.data(), bytes.data(), bytes.size());
  return result;
}

IpAddress IpAddress::from_sockaddr(const sockaddr_storage& storage) {
  std::array<std::uint8_t, 16> bytes{};
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    std::memcpy(bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    return *from_bytes(bytes);
  }
  if (storage.ss_family != AF_INET) return {};
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof v4);
  std::memcpy(bytes.data(), &v4.sin_addr, sizeof v4.sin_addr);
  return *from_bytes(std::span(bytes).first(sizeof v4.sin_addr));
}

bool IpAddress::is_unspecified() const {
  return bytes_ == std::array<std::uint8_t, 16>{};
}

bool IpAddress::is_link_local() const {
  return family_ == AF_INET6 && bytes_[0] == 0xfe && (bytes_[1] & 0xc0U) == 0x80;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family_, bytes_.data(), text.data(), text.size());
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned longest = address->bits();
  if (slash == std::string_view::npos) return Cidr{*address, longest};
  const auto prefix = parse_number<unsigned>(text.substr(slash + 1), longest);
  if (!prefix) return std::nullopt;
  return Cidr{*address, *prefix};
}

bool Cidr::contains(const IpAddress& other) const {
  if (other.family() != address.family()) return false;
  const unsigned whole_bytes = prefix / 8;
  if (std::memcmp(address.bytes().data(), other.bytes().data(), whole_bytes) != 0) return false;
  const unsigned rest = prefix % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return ((address.bytes()[whole_bytes] ^ other.bytes()[whole_bytes]) & mask) == 0;
}

std::string Cidr::to_string() const {
  return address.to_string() + "/" + std::to_string(prefix);
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  // A colon in a host without brackets is an IPv6 address whose last group would be taken for a port.
  if ((host.find(':') != std::string_view::npos) != bracketed) return std::nullopt;
  const auto ip = IpAddress::parse(host);
  const auto port = parse_number<std::uint32_t>(text.substr(colon + 1), 65535);
  if (!ip || !port) return std::nullopt;
  return SocketAddress(*ip, static_cast<std::uint16_t>(*port));
}

SocketAddress SocketAddress::from_sockaddr(const sockaddr_storage& storage) {
  std::uint16_t port = 0;
  if (storage.ss_family == AF_INET || storage.ss_family == AF_INET6) {
    // sin_port and sin6_port stand at the same offset.
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    port = ntohs(v4.sin_port);
  }
  return {IpAddress::from_sockaddr(storage), port};
}

SocketAddress SocketAddress::local_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return from_sockaddr(storage);
}

SocketAddress SocketAddress::peer_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return from_sockaddr(storage);
}

socklen_t SocketAddress::to_sockaddr(sockaddr_storage& storage) const {
  storage = {};
  if (ip_.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port_);
    std::memcpy(&v4.sin_addr, ip_.bytes().data(), 4);
    std::memcpy(&storage, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port_);
  std::memcpy(&v6.sin6_addr, ip_.bytes().data(), 16);
  std::memcpy(&storage, &v6, sizeof v6);
  return sizeof v6;
}

std::string SocketAddress::to_string() const {
  const std::string host = ip_.is_v4() ? ip_.to_string() : "[" + ip_.to_string() + "]";
  return host + ":" + std::to_string(port_);
}

}  // namespace vipward
