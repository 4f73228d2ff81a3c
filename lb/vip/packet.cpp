#include "lb/vip/packet.h"

#include <algorithm>
#include <optional>
#include <ratio>

#include "lb/vip/wire.h"

namespace vipward {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Centiseconds = std::chrono::duration<std::int64_t, std::centi>;

constexpr std::size_t kIpHeaderLength = 20;  // without options
constexpr std::size_t kHeaderLength = 8;
constexpr std::size_t kChecksumAt = 6;
constexpr std::uint8_t kVersion = 3;
constexpr std::uint8_t kTypeAdvertisement = 1;

// The 16-bit words of `bytes`, an odd last byte padded with zero, not folded yet.
std::uint32_t sum_words(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += wire::read_u16(bytes, i);
  if (bytes.size() % 2 != 0) sum += static_cast<std::uint32_t>(bytes.back() << 8);
  return sum;
}

std::uint32_t sum_pseudo_header(const IpAddress& source, const IpAddress& destination, std::size_t length) {
  const Bytes from(source.bytes().data(), 4);
  const Bytes to(destination.bytes().data(), 4);
  return sum_words(from) + sum_words(to) + kVrrpProtocol + static_cast<std::uint32_t>(length);
}

std::uint16_t fold(std::uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// Over a message with its checksum in place the sum is all ones.
std::optional<ChecksumForm> checksum_form_of(const VrrpDatagram& datagram, Bytes message) {
  const std::uint32_t sum = sum_words(message);
  const std::uint32_t pseudo = sum_pseudo_header(datagram.source, datagram.destination, message.size());
  if (fold(sum + pseudo) == 0xffff) return ChecksumForm::PseudoHeader;
  if (fold(sum) == 0xffff) return ChecksumForm::Rfc9568;
  return std::nullopt;
}

std::uint16_t to_centiseconds(Duration interval) {
  const auto rounded = std::chrono::round<Centiseconds>(interval).count();
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(rounded, 1, kMaxCentiseconds));
}

}  // namespace

std::variant<VrrpDatagram, VrrpRejectReason> parse_ipv4_datagram(Bytes bytes) {
  if (bytes.size() < kIpHeaderLength) return VrrpRejectReason::Length;
  if (bytes[0] >> 4 != 4 || bytes[9] != kVrrpProtocol) return VrrpRejectReason::AddressFamily;
  const std::size_t header = static_cast<std::size_t>(bytes[0] & 0x0f) * 4;
  const std::size_t total = wire::read_u16(bytes, 2);
  if (header < kIpHeaderLength || total < header || total > bytes.size()) return VrrpRejectReason::Length;
  return VrrpDatagram{.source = wire::read_ipv4(bytes, 12),
                      .destination = wire::read_ipv4(bytes, 16),
                      .ttl = bytes[8],
                      .message = bytes.subspan(header, total - header)};
}

std::variant<DecodedAdvertisement, VrrpRejectReason> decode(const VrrpDatagram& datagram, std::uint8_t vrid) {
  if (!datagram.source.is_v4() || !datagram.destination.is_v4()) return VrrpRejectReason::AddressFamily;
  Bytes message = datagram.message;
  if (message.size() < kHeaderLength) return VrrpRejectReason::Length;
  if (datagram.ttl != kVrrpTtl) return VrrpRejectReason::Ttl;
  if (message[0] >> 4 != kVersion) return VrrpRejectReason::Version;
  if ((message[0] & 0x0f) != kTypeAdvertisement) return VrrpRejectReason::Type;
  const std::size_t count = message[3];
  if (count == 0) return VrrpRejectReason::Count;
  if (message.size() < kHeaderLength + 4 * count) return VrrpRejectReason::Length;
  const auto centiseconds = static_cast<std::uint16_t>(wire::read_u16(message, 4) & kMaxCentiseconds);
  if (centiseconds == 0) return VrrpRejectReason::Interval;
  message = message.first(kHeaderLength + 4 * count);
  const auto form = checksum_form_of(datagram, message);
  if (!form) return VrrpRejectReason::Checksum;
  if (message[1] != vrid) return VrrpRejectReason::Vrid;

  DecodedAdvertisement decoded{.advertisement = {.vrid = message[1],
                                                 .priority = message[2],
                                                 .interval = Centiseconds(centiseconds),
                                                 .addresses = {}},
                               .checksum = *form};
  decoded.advertisement.addresses.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    decoded.advertisement.addresses.push_back(wire::read_ipv4(message, kHeaderLength + 4 * i));
  }
  return decoded;
}

std::vector<std::uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                                 const IpAddress& destination, ChecksumForm form) {
  const std::size_t count = advertisement.addresses.size();
  std::vector<std::uint8_t> message(kHeaderLength + 4 * count);
  message[0] = kVersion << 4 | kTypeAdvertisement;
  message[1] = advertisement.vrid;
  message[2] = advertisement.priority;
  message[3] = static_cast<std::uint8_t>(count);
  wire::write_u16(message, 4, to_centiseconds(advertisement.interval));
  for (std::size_t i = 0; i < count; ++i) {
    wire::write_ipv4(message, kHeaderLength + 4 * i, advertisement.addresses[i]);
  }
  std::uint32_t sum = sum_words(message);
  if (form == ChecksumForm::PseudoHeader) sum += sum_pseudo_header(source, destination, message.size());
  wire::write_u16(message, kChecksumAt, static_cast<std::uint16_t>(~fold(sum) & 0xffff));
  return message;
}

}  // namespace vipward
