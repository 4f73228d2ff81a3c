// Bytes in network order: what the packets of lb/vip are read and written with. Pure; callers have checked
// the bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/net/address.h"

namespace vipward::wire {

std::uint16_t read_u16(std::span<const std::uint8_t> bytes, std::size_t at);
void write_u16(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value);
IpAddress read_ipv4(std::span<const std::uint8_t> bytes, std::size_t at);
// `address` is an IPv4 one.
void write_ipv4(std::span<std::uint8_t> bytes, std::size_t at, const IpAddress& address);
// 16 bytes; an IPv4-mapped address is read as the IPv4 address it means, and written so.
IpAddress read_ipv6(std::span<const std::uint8_t> bytes, std::size_t at);
void write_ipv6(std::span<std::uint8_t> bytes, std::size_t at, const IpAddress& address);

// The Internet checksum (RFC 1071): the 16-bit words, an odd last byte padded with zero, not folded yet; and
// the sum as 16 bits, not complemented yet.
std::uint32_t sum_words(std::span<const std::uint8_t> bytes);
std::uint16_t fold(std::uint32_t sum);

}  // namespace vipward::wire
