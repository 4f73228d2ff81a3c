// VRRPv3 advertisements over IPv4 as bytes (RFC 9568 5.1, 5.2). Pure: whoever owns the socket hands in what
// recvmsg gave and sends what comes out. Hostile input is answered with a reason, never by more.
// Version 2 and IPv6 are not read yet; they are told apart and refused.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"

namespace vipward {

inline constexpr std::uint8_t kVrrpProtocol = 112;
// Nothing that a router has forwarded still has it (RFC 9568 5.1.1.3); asked of unicast peers too.
inline constexpr std::uint8_t kVrrpTtl = 255;
// The 12 bits of the field: 10 ms to 40.95 s.
inline constexpr std::uint16_t kMaxCentiseconds = 4095;

// Why a packet was not heard: the metric label. In the order of the checks; the last one is the socket
// owner's, who knows the peers.
enum class VrrpRejectReason : std::uint8_t {
  AddressFamily,  // not an IPv4 datagram of protocol 112
  Length,         // shorter than its headers, or than the addresses it counts
  Ttl,            // not 255: it was routed
  Version,        // not 3: VRRPv2 and CARP
  Type,           // not an advertisement
  Count,          // no address
  Interval,       // zero
  Checksum,       // right in neither form
  Vrid,           // another instance's
  UnknownPeer,    // the source is no configured peer
};
inline constexpr std::array<std::string_view, 10> kVrrpRejectReasons{
    "address_family", "length",   "ttl",      "version", "type",
    "count",          "interval", "checksum", "vrid",    "unknown_peer"};
constexpr std::string_view to_string(VrrpRejectReason reason) {
  return kVrrpRejectReasons[static_cast<std::size_t>(reason)];
}

// What the checksum covers. keepalived and FRR add an IPv4 pseudo-header, RFC 9568 5.2.8 does not.
enum class ChecksumForm : std::uint8_t { PseudoHeader, Rfc9568 };
inline constexpr std::array<std::string_view, 2> kChecksumForms{"pseudo_header", "rfc9568"};
constexpr std::string_view to_string(ChecksumForm form) {
  return kChecksumForms[static_cast<std::size_t>(form)];
}

struct Advertisement {
  std::uint8_t vrid = 0;
  std::uint8_t priority = 0;  // 0: the sender lets go
  Duration interval{};        // in whole centiseconds on the wire
  std::vector<IpAddress> addresses;
  bool operator==(const Advertisement&) const = default;
};

// A VRRP message and what the network layer said of it.
struct VrrpDatagram {
  IpAddress source;
  IpAddress destination;
  std::uint8_t ttl = 0;
  std::span<const std::uint8_t> message;  // inside the bytes that were parsed
};

// What a raw AF_INET socket delivers: an IPv4 header, a message, and past the total length perhaps padding
// (frames are at least 60 bytes long), which is left out.
std::variant<VrrpDatagram, VrrpRejectReason> parse_ipv4_datagram(std::span<const std::uint8_t> bytes);

struct DecodedAdvertisement {
  Advertisement advertisement;
  ChecksumForm checksum = ChecksumForm::PseudoHeader;
};
// Checks in the order of VrrpRejectReason. Bytes after the last address are ignored: the checksum ends there.
std::variant<DecodedAdvertisement, VrrpRejectReason> decode(const VrrpDatagram& datagram, std::uint8_t vrid);

// The message alone, without an IP header. 1 to 255 IPv4 addresses; the interval is rounded to centiseconds
// and held within the field. source, destination: those of the IP header to be, for the pseudo-header.
std::vector<std::uint8_t> encode(const Advertisement& advertisement, const IpAddress& source,
                                 const IpAddress& destination, ChecksumForm form);

}  // namespace vipward
