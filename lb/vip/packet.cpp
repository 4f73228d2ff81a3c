#include "lb/vip/packet.h"

#include <algorithm>
#include <ratio>

#include "lb/vip/wire.h"

namespace vipward {
namespace {

using wire::fold;
using wire::sum_words;
using Bytes = std::span<const std::uint8_t>;
using Centiseconds = std::chrono::duration<std::int64_t, std::centi>;

constexpr std::size_t kIpHeaderLength = 20;  // without options
constexpr std::size_t kHeaderLength = 8;
constexpr std::size_t kChecksumAt = 6;
constexpr std::size_t kPasswordLength = std::tuple_size_v<VrrpPassword>;
constexpr std::uint8_t kTypeAdvertisement = 1;
constexpr std::uint8_t kNoAuthentication = 0;
constexpr std::uint8_t kSimplePassword = 1;  // RFC 2338 5.3.6

// The length is at most 64 KiB: of its 32 bits in IPv6's form (RFC 8200 8.1) the upper half is zero.
std::uint32_t sum_pseudo_header(const IpAddress& source, const IpAddress& destination, std::size_t length) {
  const std::size_t size = source.bits() / 8;
  return sum_words(Bytes(source.bytes()).first(size)) + sum_words(Bytes(destination.bytes()).first(size)) +
         kVrrpProtocol + static_cast<std::uint32_t>(length);
}

// Over a message with its checksum in place the sum is all ones.
std::optional<ChecksumForm> checksum_form_of(const VrrpDatagram& datagram, Bytes message,
                                             VrrpVersion version) {
  const std::uint32_t sum = sum_words(message);
  const std::uint32_t pseudo = sum_pseudo_header(datagram.source, datagram.destination, message.size());
  const bool may_be_with = version == VrrpVersion::V3;
  const bool may_be_without = datagram.source.is_v4();
  if (may_be_with && fold(sum + pseudo) == 0xffff) return ChecksumForm::PseudoHeader;
  if (may_be_without && fold(sum) == 0xffff) return ChecksumForm::Rfc9568;
  return std::nullopt;
}

std::uint16_t to_centiseconds(Duration interval) {
  const auto rounded = std::chrono::round<Centiseconds>(interval).count();
  return static_cast<std::uint16_t>(std::clamp<std::int64_t>(rounded, 1, kMaxCentiseconds));
}

std::uint8_t to_seconds(Duration interval) {
  const auto rounded = std::chrono::round<std::chrono::seconds>(interval).count();
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(rounded, 1, 255));
}

std::size_t trailer_length(VrrpVersion version) {
  return version == VrrpVersion::V2 ? kPasswordLength : 0;  // also without a password
}

// RFC 3768 7.1, after the checksum: our kind of authentication, our password, our interval.
std::optional<VrrpRejectReason> check_version2(Bytes message, const Dialect& dialect) {
  if (message[4] != (dialect.password ? kSimplePassword : kNoAuthentication)) {
    return VrrpRejectReason::AuthType;
  }
  if (dialect.password && !std::ranges::equal(message.last(kPasswordLength), *dialect.password)) {
    return VrrpRejectReason::Password;
  }
  if (message[5] != to_seconds(dialect.interval)) return VrrpRejectReason::Interval;
  return std::nullopt;
}

Duration interval_of(Bytes message, VrrpVersion version) {
  if (version == VrrpVersion::V2) return std::chrono::seconds(message[5]);
  return Centiseconds(wire::read_u16(message, 4) & kMaxCentiseconds);
}

}  // namespace

IpAddress vrrp_group(int family) {
  return *IpAddress::parse(family == AF_INET6 ? "ff02::12" : "224.0.0.18");
}

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

std::variant<DecodedAdvertisement, VrrpRejectReason> decode(const VrrpDatagram& datagram,
                                                            const Dialect& dialect) {
  const bool is_v4 = datagram.source.is_v4();
  if (datagram.destination.is_v4() != is_v4) return VrrpRejectReason::AddressFamily;
  Bytes message = datagram.message;
  if (message.size() < kHeaderLength) return VrrpRejectReason::Length;
  // Before all that depends on the version: both have it there, and CARP its own number.
  if (message[1] != dialect.vrid) return VrrpRejectReason::Vrid;
  if (datagram.ttl != kVrrpTtl) return VrrpRejectReason::Ttl;
  if (message[0] >> 4 != static_cast<int>(dialect.version)) return VrrpRejectReason::Version;
  if ((message[0] & 0x0f) != kTypeAdvertisement) return VrrpRejectReason::Type;
  const std::size_t count = message[3];
  if (count == 0) return VrrpRejectReason::Count;
  const std::size_t length =
      kHeaderLength + datagram.source.bits() / 8 * count + trailer_length(dialect.version);
  if (message.size() < length) return VrrpRejectReason::Length;
  const Duration interval = interval_of(message, dialect.version);
  if (interval == Duration::zero()) return VrrpRejectReason::Interval;
  message = message.first(length);
  const auto form = checksum_form_of(datagram, message, dialect.version);
  if (!form) return VrrpRejectReason::Checksum;
  if (dialect.version == VrrpVersion::V2) {
    if (const auto reason = check_version2(message, dialect)) return *reason;
  }
  DecodedAdvertisement decoded{
      .advertisement = {.priority = message[2], .interval = interval, .addresses = {}}, .checksum = *form};
  decoded.advertisement.addresses.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    decoded.advertisement.addresses.push_back(is_v4 ? wire::read_ipv4(message, kHeaderLength + 4 * i)
                                                    : wire::read_ipv6(message, kHeaderLength + 16 * i));
  }
  return decoded;
}

std::vector<std::uint8_t> encode(const Advertisement& advertisement, const Dialect& dialect,
                                 const IpAddress& source, const IpAddress& destination) {
  const std::size_t count = advertisement.addresses.size();
  const std::size_t size = source.bits() / 8;
  const bool is_version2 = dialect.version == VrrpVersion::V2;
  std::vector<std::uint8_t> message(kHeaderLength + size * count + trailer_length(dialect.version));
  message[0] = static_cast<std::uint8_t>(static_cast<unsigned>(dialect.version) << 4U | kTypeAdvertisement);
  message[1] = dialect.vrid;
  message[2] = advertisement.priority;
  message[3] = static_cast<std::uint8_t>(count);
  if (is_version2) {
    message[4] = dialect.password ? kSimplePassword : kNoAuthentication;
    message[5] = to_seconds(advertisement.interval);
    if (dialect.password) std::ranges::copy(*dialect.password, message.end() - kPasswordLength);
  } else {
    wire::write_u16(message, 4, to_centiseconds(advertisement.interval));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = kHeaderLength + size * i;
    source.is_v4() ? wire::write_ipv4(message, at, advertisement.addresses[i])
                   : wire::write_ipv6(message, at, advertisement.addresses[i]);
  }
  const bool has_pseudo_header =
      !source.is_v4() || (!is_version2 && dialect.checksum == ChecksumForm::PseudoHeader);
  std::uint32_t sum = sum_words(message);
  if (has_pseudo_header) sum += sum_pseudo_header(source, destination, message.size());
  wire::write_u16(message, kChecksumAt, static_cast<std::uint16_t>(~fold(sum) & 0xffff));
  return message;
}

}  // namespace vipward
