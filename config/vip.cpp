#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "config/sections.h"
#include "config/values.h"
#include "config/vip_family.h"

namespace vipward::config {
namespace {

using namespace std::chrono_literals;

// One IPv6 advertisement of so many still fits an Ethernet frame.
constexpr std::size_t kMostAddresses = 64;
constexpr std::size_t kMostPeers = 64;
constexpr std::size_t kMostInterfaces = 64;

bool is_host(const IpAddress& address) {
  return !address.is_unspecified() && !address.is_multicast();
}

void read_addresses(MappingReader& map, VipConfig& vip) {
  constexpr std::string_view kWhat = "a list of at least one address such as 10.0.0.100/24";
  const auto list = map.require("addresses", "required, " + std::string(kWhat));
  if (!list) return;
  const auto items = list->items({.if_empty = kWhat, .most = kMostAddresses});
  std::set<IpAddress> seen;
  for (const Value& item : items) {
    const auto text = item.text();
    if (!text) continue;
    const auto address = Cidr::parse(*text);
    if (!address || !is_host(address->address)) {
      item.fail(quoted(*text) + " is not a host's address, allowed: 10.0.0.100/24 or fd00::100/64");
    } else if (!seen.insert(address->address).second) {
      item.fail(address->address.to_string() + " is in the list already");
    } else {
      vip.addresses.push_back(*address);
    }
  }
  const auto is_link_local = [](const Cidr& cidr) { return cidr.address.is_link_local(); };
  if (!vip.addresses.empty() && std::ranges::all_of(vip.addresses, is_link_local)) {
    map.fail("addresses",
             "only link-local ones, which no client can be told, allowed besides: 10.0.0.100/24 or "
             "fd00::100/64");
  }
}

void read_peers(MappingReader& map, VipConfig& vip) {
  const auto list = map.take("peers");
  if (!list) return;
  for (const Value& item : list->items({.most = kMostPeers})) {
    const auto text = item.text();
    if (!text) continue;
    const auto peer = IpAddress::parse(*text);
    if (!peer || !is_host(*peer)) {
      item.fail(quoted(*text) + " is not a host's address, allowed: 10.0.0.21 or fd00::21");
    } else if (std::ranges::find(vip.addresses, *peer, &Cidr::address) != vip.addresses.end()) {
      item.fail(*text + " is one of vip.addresses, allowed: the own addresses of the hosts");
    } else if (!vip.peers.empty() && vip.peers.front().family() != peer->family()) {
      item.fail(*text + " is not of the family of the first peer, allowed: only IPv4 or only IPv6");
    } else if (vip.version == 2 && !peer->is_v4()) {
      item.fail(*text + " is not IPv4, which is all that version 2 knows");
    } else if (std::ranges::find(vip.peers, *peer) != vip.peers.end()) {
      item.fail(*text + " is in the list already");
    } else {
      vip.peers.push_back(*peer);
    }
  }
}

// An advertisement names at least one address, of its own family.
void check_family(MappingReader& map, const VipConfig& vip) {
  if (vip.addresses.empty()) return;  // has been said
  const int family = family_of(vip);
  const auto is_of_family = [&](const Cidr& cidr) { return cidr.address.family() == family; };
  if (std::ranges::any_of(vip.addresses, is_of_family)) return;
  const std::string name(family_name(family));
  if (vip.version == 2) {
    map.fail("version", "2 knows IPv4 alone, and vip.addresses has no IPv4 address, allowed: 3");
  } else {
    map.fail("peers", name + " hosts advertise " + name + " addresses, and vip.addresses has none");
  }
}

std::optional<std::string> read_interface_name(const Value& value, std::string_view words) {
  auto text = value.text();
  if (!text || is_interface_name(*text)) return text;
  value.fail(quoted(*text) + " is not the name of an interface, allowed: " + std::string(words) +
             "1 to 15 characters without spaces, '/' and ':'");
  return std::nullopt;
}

void read_interfaces(MappingReader& map, VipConfig& vip) {
  if (const auto value = map.take("interface"); value && !value->is_word("auto")) {
    vip.interface = read_interface_name(*value, "auto, ");
  }
  const auto list = map.take("track_interfaces");
  if (!list) return;
  for (const Value& item : list->items({.most = kMostInterfaces})) {
    const auto name = read_interface_name(item, "");
    if (!name) continue;
    if (std::ranges::find(vip.track_interfaces, *name) != vip.track_interfaces.end()) {
      item.fail(*name + " is in the list already");
    } else {
      vip.track_interfaces.push_back(*name);
    }
  }
}

void read_virtual_router_id(MappingReader& map, VipConfig& vip) {
  const auto value = map.take("virtual_router_id");
  if (value && !value->is_word("auto")) {
    if (const auto id = value->whole_number(1, 255)) vip.virtual_router_id = static_cast<std::uint8_t>(*id);
    return;
  }
  if (vip.addresses.empty() || (!value && map.names("virtual_router_id"))) return;  // has been said
  const auto first_v4 = std::ranges::find_if(vip.addresses, [](const Cidr& c) { return c.address.is_v4(); });
  if (first_v4 == vip.addresses.end()) {
    map.fail("virtual_router_id",
             "required without an IPv4 address, allowed: 1 to 255, the same on all hosts");
    return;
  }
  vip.virtual_router_id = first_v4->address.bytes()[3];
  if (vip.virtual_router_id == 0) {
    map.fail("virtual_router_id", "required because the last octet of " + first_v4->address.to_string() +
                                      " is 0, allowed: 1 to 255, the same on all hosts");
  }
}

Found read_advertise_interval(MappingReader& map, VipConfig& vip) {
  if (vip.version == 2) {
    vip.advertise_interval = 1s;
    return map.duration("advertise_interval", vip.advertise_interval, {.min = 1s, .max = 255s, .step = 1s});
  }
  // 12 bits of centiseconds (RFC 9568, section 5.2.7).
  return map.duration("advertise_interval", vip.advertise_interval,
                      {.min = 10ms, .max = 40950ms, .step = 10ms});
}

// Returns what became of the interval.
Found read_version(MappingReader& map, VipConfig& vip) {
  const Found version = map.choice<int>("version", vip.version, {{"3", 3}, {"2", 2}});
  Found interval = Found::Bad;
  if (version == Found::Bad) {
    map.take("advertise_interval");
  } else {
    interval = read_advertise_interval(map, vip);
  }
  read_file_path(map, "v2_password_file", vip.v2_password_file);
  if (map.has("v2_password_file") && vip.version != 2 && version != Found::Bad) {
    map.fail("v2_password_file", "has no effect with version 3, allowed with: version 2");
  }
  return interval;
}

void read_failback(MappingReader& map, VipConfig& vip) {
  const auto value = map.take("failback");
  if (!value || value->is_word("never")) return;
  if (value->is_word("immediately")) {
    vip.failback = FailbackMode::Immediately;
  } else if (const auto delay = value->duration({.min = 10ms, .max = 24h, .words = "never, immediately"})) {
    vip.failback = FailbackMode::After;
    vip.failback_delay = *delay;
  }
}

// The kernel drops the address when it has not been renewed for so long; the peer takes it over after three
// intervals.
void read_address_lifetime(MappingReader& map, VipConfig& vip, Found interval) {
  constexpr auto kLongestLifetime = 1h;
  const auto value = map.take("address_lifetime");
  if (!value || value->is_word("auto")) return;
  const auto lifetime =
      value->duration({.min = 1s, .max = kLongestLifetime, .or_zero = true, .step = 1s, .words = "auto"});
  if (!lifetime) return;
  vip.address_lifetime = std::chrono::duration_cast<std::chrono::seconds>(*lifetime);
  const Millis least = std::chrono::ceil<std::chrono::seconds>(3 * vip.advertise_interval);
  if (*lifetime == 0s || *lifetime >= least || interval == Found::Bad) return;
  value->fail(format_duration(*lifetime) + " is shorter than three times advertise_interval (" +
              format_duration(vip.advertise_interval) + "), allowed: auto, 0s, " + format_duration(least) +
              " to " + format_duration(kLongestLifetime));
}

}  // namespace

void read_vip(MappingReader& root, std::optional<VipConfig>& result) {
  const auto value = root.take("vip");
  if (!value) return;
  MappingReader map(*value);
  VipConfig& vip = result.emplace();
  if (map.is_broken()) return;
  read_addresses(map, vip);
  const Found interval = read_version(map, vip);
  read_peers(map, vip);
  check_family(map, vip);
  read_interfaces(map, vip);
  read_virtual_router_id(map, vip);
  map.whole_number("priority", vip.priority, 1, 254);
  read_failback(map, vip);
  map.duration("startup_delay", vip.startup_delay, {.min = 10ms, .max = 1h, .or_zero = true});
  map.choice<bool>("on_no_backend", vip.release_on_no_backend, {{"keep", false}, {"release", true}});
  map.choice<VrrpChecksum>(
      "checksum", vip.checksum,
      {{"pseudo_header", VrrpChecksum::PseudoHeader}, {"rfc9568", VrrpChecksum::Rfc9568}});
  const bool has_forms = vip.version != 2 && (vip.addresses.empty() || family_of(vip) == AF_INET);
  if (vip.checksum == VrrpChecksum::Rfc9568 && !has_forms)
    map.fail("checksum", "rfc9568 has no effect here, allowed with: version 3 over IPv4");
  read_address_lifetime(map, vip, interval);
  map.duration("garp_refresh", vip.garp_refresh, {.min = 1s, .max = 1h});
}

}  // namespace vipward::config
