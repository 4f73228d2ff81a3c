// VRRP advertisements as bytes: version 3 over IPv4 and IPv6 (RFC 9568 5.1, 5.2), version 2 over IPv4 (RFC
// 3768 5.3) with the password of RFC 2338. Pure: whoever owns the socket hands in what recvmsg gave and sends
// what comes out. Hostile input is answered with a reason, never by more.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"

namespace vipward {

inline constexpr std::uint8_t kVrrpProtocol = 112;
// Nothing that a router has forwarded still has it (RFC 9568 5.1.1.3, 5.1.2.3); asked of unicast peers too.
inline constexpr std::uint8_t kVrrpTtl = 255;
// Where multicast goes: the routers of VRRP on the link.
IpAddress vrrp_group(int family);
// The 12 bits of version 3's field: 10 ms to 40.95 s.
inline constexpr std::uint16_t kMaxCentiseconds = 4095;

// Why a packet was not heard: the metric label. In the order of the checks, but for Vrid, which is asked as
// soon as there are eight bytes, whatever else may be wrong, and UnknownPeer, which is the socket owner's,
// who knows the peers. New ones go to the end: their counters are inherited by place.
enum class VrrpRejectReason : std::uint8_t {
  AddressFamily,  // not a datagram of protocol 112 of the instance's family
  Length,         // shorter than its headers, or than the addresses it counts
  Ttl,            // TTL or hop limit not 255: it was routed
  Version,        // not ours; CARP
  Type,           // not an advertisement
  Count,          // no address
  Interval,       // zero; in version 2 another one than ours, which is asked last
  Checksum,       // right in no form
  Vrid,           // another instance's
  UnknownPeer,    // the source is no configured peer
  AuthType,       // version 2: a password where we have none, none where we have one, something else
  Password,       // version 2: not ours
};
inline constexpr std::array<std::string_view, 12> kVrrpRejectReasons{
    "address_family", "length",   "ttl",  "version",      "type",      "count",
    "interval",       "checksum", "vrid", "unknown_peer", "auth_type", "password"};
constexpr std::string_view to_string(VrrpRejectReason reason) {
  return kVrrpRejectReasons[static_cast<std::size_t>(reason)];
}

// What the checksum of version 3 over IPv4 covers. keepalived and FRR add an IPv4 pseudo-header, RFC 9568
// 5.2.8 does not. Over IPv6 there is always one (RFC 8200 8.1), in version 2 never.
enum class ChecksumForm : std::uint8_t { PseudoHeader, Rfc9568 };
inline constexpr std::array<std::string_view, 2> kChecksumForms{"pseudo_header", "rfc9568"};
constexpr std::string_view to_string(ChecksumForm form) {
  return kChecksumForms[static_cast<std::size_t>(form)];
}

enum class VrrpVersion : std::uint8_t { V2 = 2, V3 = 3 };

// The authentication data of version 2, padded with zeros (RFC 2338 5.3.10). It protects from mistakes alone:
// everybody on the wire reads it.
using VrrpPassword = std::array<std::uint8_t, 8>;

// How an instance speaks, and what it understands.
struct Dialect {
  std::uint8_t vrid = 0;
  VrrpVersion version = VrrpVersion::V3;
  ChecksumForm checksum = ChecksumForm::PseudoHeader;  // what is sent; either is heard
  std::optional<VrrpPassword> password{};              // version 2
  Duration interval{};                                 // version 2: that of all of its routers
};

struct Advertisement {
  std::uint8_t priority = 0;         // 0: the sender lets go
  Duration interval{};               // in whole centiseconds, in version 2 seconds, on the wire
  std::vector<IpAddress> addresses;  // of the family that the packet travels by
  bool operator==(const Advertisement&) const = default;
};

// A VRRP message and what the network layer said of it.
struct VrrpDatagram {
  IpAddress source;
  IpAddress destination;
  std::uint8_t ttl = 0;                   // hop limit
  std::span<const std::uint8_t> message;  // inside the bytes that were parsed
};

// What a raw AF_INET socket delivers: an IPv4 header, a message, and past the total length perhaps padding
// (frames are at least 60 bytes long), which is left out. A raw AF_INET6 socket delivers the message alone.
std::variant<VrrpDatagram, VrrpRejectReason> parse_ipv4_datagram(std::span<const std::uint8_t> bytes);

struct DecodedAdvertisement {
  Advertisement advertisement;
  ChecksumForm checksum = ChecksumForm::PseudoHeader;  // that it came with; version 2: Rfc9568
};
// Bytes after what the message counts are ignored: the checksum ends there.
std::variant<DecodedAdvertisement, VrrpRejectReason> decode(const VrrpDatagram& datagram,
                                                            const Dialect& dialect);

// The message alone, without an IP header. 1 to 255 addresses, all of the family of `source` (IPv4 for
// version 2); the interval is rounded and held within the field. source, destination: those of the IP header
// to be, for the pseudo-header.
std::vector<std::uint8_t> encode(const Advertisement& advertisement, const Dialect& dialect,
                                 const IpAddress& source, const IpAddress& destination);

}  // namespace vipward
