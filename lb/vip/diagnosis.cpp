#include "lb/vip/diagnosis.h"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <iterator>
#include <variant>

#include "lb/vip/wire.h"

namespace vipward {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kHeaderLength = 8;
// CARP, as OpenBSD sends it: version 2, type 1, in place of the count the authentication's
// length in words, then a counter and a hash.
constexpr std::size_t kCarpLength = 36;
constexpr std::uint8_t kCarpWords = 7;
constexpr std::uint8_t kDefaultHopLimit = 64;
// Addresses in one sentence; a packet may name 255.
constexpr std::size_t kMostNamed = 4;

std::string number(std::integral auto value) {
  return std::to_string(value);
}

int version_of(Bytes message) {
  return message[0] >> 4;
}

bool is_carp(Bytes message) {
  return message.size() == kCarpLength && message[0] == 0x21 && message[3] == kCarpWords;
}

// Version 2 is over IPv4 alone, and has its eight bytes of authentication always.
bool is_version2(const VrrpDatagram& datagram) {
  const Bytes message = datagram.message;
  return version_of(message) == 2 && datagram.source.is_v4() &&
         message.size() >= kHeaderLength + std::size_t{4} * message[3] + std::tuple_size_v<VrrpPassword>;
}

std::string list(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (std::size_t i = 0; i < std::min(addresses.size(), kMostNamed); ++i) {
    text += (i == 0 ? "" : ", ") + addresses[i].to_string();
  }
  if (addresses.size() > kMostNamed) text += " and " + number(addresses.size() - kMostNamed) + " more";
  return text;
}

// One of ours that the message names, as far as it goes.
std::optional<IpAddress> named_of(const VrrpDatagram& datagram, std::span<const IpAddress> ours) {
  const Bytes message = datagram.message;
  if (message.size() < kHeaderLength || is_carp(message)) return std::nullopt;
  const std::size_t size = datagram.source.bits() / 8;
  const std::size_t count = std::min<std::size_t>(message[3], (message.size() - kHeaderLength) / size);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = kHeaderLength + size * i;
    const IpAddress named =
        datagram.source.is_v4() ? wire::read_ipv4(message, at) : wire::read_ipv6(message, at);
    if (std::ranges::find(ours, named) != ours.end()) return named;
  }
  return std::nullopt;
}

// What it speaks if not our version.
std::string version_text(const VrrpDatagram& datagram, VrrpVersion ours) {
  const std::string who = datagram.source.to_string();
  const int version = version_of(datagram.message);
  if (version != 3 && !is_version2(datagram)) {
    return who +
           " sends something of protocol 112 that is no VRRP: stop it there, or choose another "
           "`virtual_router_id` here";
  }
  const std::string here = number(static_cast<int>(ours));
  const std::string there = number(version);
  return who + " speaks VRRP version " + there + ", this host version " + here + ": set `version: " + there +
         "` here or vrrp_version " + here + " there";
}

std::string ttl_text(const VrrpDatagram& datagram) {
  const bool is_v4 = datagram.source.is_v4();
  const std::string text = "VRRP of " + datagram.source.to_string() + " arrives with " +
                           (is_v4 ? "TTL " : "hop limit ") + number(datagram.ttl) + ", not 255: ";
  if (!is_v4 && !datagram.destination.is_multicast() && datagram.ttl == kDefaultHopLimit) {
    return text +
           "keepalived 2.2.7 sends the kernel's default by unicast, set `sysctl "
           "net.ipv6.conf.IFACE.hop_limit=255` on its host";
  }
  return text + "it was routed, or its sender sets no " + (is_v4 ? "TTL" : "hop limit") +
         ", both hosts have to be on one link";
}

// keepalived up to 1.3.6, and later ones that believe to talk with such a one: as if it went to the group.
bool has_old_unicast_checksum(const VrrpDatagram& datagram, const Dialect& dialect) {
  if (!datagram.source.is_v4() || datagram.destination.is_multicast()) return false;
  VrrpDatagram as_multicast = datagram;
  as_multicast.destination = vrrp_group(AF_INET);
  return std::holds_alternative<DecodedAdvertisement>(decode(as_multicast, dialect));
}

std::string checksum_text(const VrrpDatagram& datagram, const Dialect& dialect) {
  const std::string who = datagram.source.to_string();
  if (has_old_unicast_checksum(datagram, dialect)) {
    return who +
           " sends by unicast with the checksum for 224.0.0.18, as keepalived does up to 1.3.6: upgrade "
           "it, or set `old_unicast_checksum never` there";
  }
  return "VRRP of " + who +
         " arrives with a wrong checksum: it was damaged or rewritten on the way, look for "
         "address translation between the hosts";
}

std::string interval_text(const VrrpDatagram& datagram, const Dialect& dialect) {
  const std::string who = datagram.source.to_string();
  const std::string there = number(datagram.message[5]);
  if (dialect.version == VrrpVersion::V3 || datagram.message[5] == 0) {
    return who + " names an interval of zero: set advert_int there";
  }
  const std::string here = number(std::chrono::round<std::chrono::seconds>(dialect.interval).count());
  return who + " advertises every " + there + " s, this host every " + here +
         " s, which version 2 wants to be the same: set `advertise_interval: " + there +
         "s` here or advert_int " + here + " there";
}

std::string auth_type_text(const VrrpDatagram& datagram) {
  const std::string who = datagram.source.to_string();
  switch (datagram.message[4]) {
    case 0:
      return who +
             " sends no password, this host has one: remove `v2_password_file` here or set auth_type "
             "PASS and auth_pass there";
    case 1:
      return who +
             " sends a password, this host has none: set `v2_password_file` here or remove "
             "`authentication` there";
    case 2:
      return who +
             " uses the authentication AH, which this host does not know: set auth_type PASS, or remove "
             "`authentication`, there";
    default:
      return who + " uses authentication type " + number(datagram.message[4]) +
             ", which nobody knows: remove its authentication there";
  }
}

std::string length_text(const VrrpDatagram& datagram) {
  const Bytes message = datagram.message;
  const std::string text =
      "VRRP of " + datagram.source.to_string() + " has " + number(message.size()) + " bytes, too few for ";
  const std::string cause = ": it was cut off on the way, or its sender is broken";
  if (message.size() < kHeaderLength) return text + "its header" + cause;
  return text + "the number of addresses that it counts, " + number(message[3]) + cause;
}

}  // namespace

bool has_vrid(const VrrpDatagram& datagram, std::uint8_t vrid) {
  return datagram.message.size() > 1 && datagram.message[1] == vrid;
}

std::optional<std::string> explain_refusal(const VrrpDatagram& datagram, VrrpRejectReason reason,
                                           const Dialect& dialect, std::span<const IpAddress> ours) {
  const std::string who = datagram.source.to_string();
  const Bytes message = datagram.message;
  if (message.size() > 1 && !has_vrid(datagram, dialect.vrid)) {
    const auto named = named_of(datagram, ours);
    if (!named) return std::nullopt;
    const std::string there = number(message[1]);
    const std::string here = number(dialect.vrid);
    return who + " advertises " + named->to_string() + " with VRID " + there + ", this host with " + here +
           ", which must be the same: set `virtual_router_id: " + there + "` here or virtual_router_id " +
           here + " there";
  }
  if (is_carp(message)) {
    return who + " speaks CARP with VHID " + number(dialect.vrid) +
           ", which is this host's VRID: choose another `virtual_router_id` here or another vhid there";
  }
  switch (reason) {
    case VrrpRejectReason::Length:
      return length_text(datagram);
    case VrrpRejectReason::Ttl:
      return ttl_text(datagram);
    case VrrpRejectReason::Version:
      return version_text(datagram, dialect.version);
    case VrrpRejectReason::Type:
      return who + " sends VRRP of type " + number(message[0] & 0x0f) +
             ", and there is only type 1, the advertisement: its sender is broken";
    case VrrpRejectReason::Count:
      return who +
             " advertises no address: set virtual_ipaddress there, as virtual_ipaddress_excluded is not "
             "advertised";
    case VrrpRejectReason::Interval:
      return interval_text(datagram, dialect);
    case VrrpRejectReason::Checksum:
      return checksum_text(datagram, dialect);
    case VrrpRejectReason::AuthType:
      return auth_type_text(datagram);
    case VrrpRejectReason::Password:
      return who +
             " sends another password than this host's: `v2_password_file` here and auth_pass there must "
             "be the same";
    case VrrpRejectReason::AddressFamily:
    case VrrpRejectReason::Vrid:
    case VrrpRejectReason::UnknownPeer:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string explain_other_vrid(const IpAddress& peer, std::uint8_t theirs, std::uint8_t ours) {
  return peer.to_string() + " speaks with VRID " + number(theirs) + ", this host with " + number(ours) +
         ": unless that is another virtual router, both must have the same virtual_router_id";
}

std::string explain_addresses(const IpAddress& peer, const std::vector<IpAddress>& theirs,
                              const std::vector<IpAddress>& ours) {
  std::vector<IpAddress> missing_there;
  std::vector<IpAddress> missing_here;
  std::ranges::set_difference(ours, theirs, std::back_inserter(missing_there));
  std::ranges::set_difference(theirs, ours, std::back_inserter(missing_here));
  const std::string who = peer.to_string();
  const std::string effect = ", keepalived 2.2.7 ignores this host's advertisements until then";
  const auto is_link_local = [](const IpAddress& one) { return one.is_link_local(); };
  if (missing_there.size() == 1 && missing_here.size() <= 1 && is_link_local(missing_there.front()) &&
      std::ranges::all_of(missing_here, is_link_local)) {
    const std::string ours_first = list(missing_there) + " as the first virtual_ipaddress there" + effect;
    if (missing_here.empty()) {
      return who + " does not advertise the link-local address that comes first over IPv6: set " + ours_first;
    }
    return who + " advertises another link-local address than this host: add " + list(missing_here) +
           " to `addresses` here, or set " + ours_first;
  }
  std::string what;
  std::string remedy;
  if (!missing_there.empty()) {
    what = " does not advertise " + list(missing_there) + ", which this host does";
    remedy = ": set the same virtual_ipaddress there";
  }
  if (!missing_here.empty()) {
    what +=
        (what.empty() ? "" : ", and") + (" advertises " + list(missing_here)) + ", which this host does not";
    remedy = missing_there.empty() ? ": set the same `addresses` here"
                                   : ": set the same `addresses` here and virtual_ipaddress there";
  }
  return who + what + remedy + effect;
}

std::string explain_own_address(const IpAddress& own, std::uint8_t vrid) {
  return "another host has this host's address " + own.to_string() + " and sends VRRP with VRID " +
         number(vrid) + " from it: give one of them another address";
}

std::string explain_contested(const IpAddress& peer, bool goes_on) {
  std::string begin = peer.to_string() + " is active as well";
  if (!goes_on) return begin;
  return begin + ": it does not hear this host, look for a packet filter that stops protocol 112";
}

std::string explain_silence(int family, bool by_multicast) {
  std::string text =
      ", but no VRRP of its host arrives here: if it is none of these routers, give it another address; "
      "else ";
  if (!by_multicast) {
    return text + "protocol 112 is filtered, or this host is not in unicast_peer there";
  }
  return text + "protocol 112 is filtered, or the switch does not forward the group " +
         (family == AF_INET ? "224.0.0.18 (IGMP" : "ff02::12 (MLD") + " snooping), use `peers` then";
}

}  // namespace vipward
