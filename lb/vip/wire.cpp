#include "lb/vip/wire.h"

#include <cstring>

namespace vipward::wire {

std::uint16_t read_u16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void write_u16(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

IpAddress read_ipv4(std::span<const std::uint8_t> bytes, std::size_t at) {
  return *IpAddress::from_bytes(bytes.subspan(at, 4));
}

void write_ipv4(std::span<std::uint8_t> bytes, std::size_t at, const IpAddress& address) {
  std::memcpy(bytes.subspan(at, 4).data(), address.bytes().data(), 4);
}

IpAddress read_ipv6(std::span<const std::uint8_t> bytes, std::size_t at) {
  return *IpAddress::from_bytes(bytes.subspan(at, 16));
}

void write_ipv6(std::span<std::uint8_t> bytes, std::size_t at, const IpAddress& address) {
  const auto to = bytes.subspan(at, 16);
  if (!address.is_v4()) {
    std::memcpy(to.data(), address.bytes().data(), 16);
    return;
  }
  std::memset(to.data(), 0, 10);
  std::memset(to.subspan(10).data(), 0xff, 2);
  std::memcpy(to.subspan(12).data(), address.bytes().data(), 4);
}

std::uint32_t sum_words(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += read_u16(bytes, i);
  if (bytes.size() % 2 != 0) sum += static_cast<std::uint32_t>(bytes.back() << 8);
  return sum;
}

std::uint16_t fold(std::uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

}  // namespace vipward::wire
