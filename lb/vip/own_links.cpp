#include "lb/vip/own_links.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "config/difference.h"
#include "config/vip_family.h"

namespace vipward {
namespace {

std::string find_interface(const VipConfig& config, const LinkTable& table) {
  if (config.interface) return *config.interface;
  const IpAddress& vip = anchor_of(config);
  const std::vector<std::string> found = table.interfaces_towards(vip);
  if (found.empty()) {
    throw std::runtime_error("vip.interface: no interface of this host has a subnet with " + vip.to_string() +
                             " in it, allowed: the name of an interface");
  }
  return found.front();
}

// A link-local address is another one on each interface.
bool is_own(const LinkTable& table, const std::string& interface, const IpAddress& address) {
  const Link* link = table.find(interface);
  return std::ranges::any_of(table.addresses(), [&](const InterfaceAddress& one) {
    const bool counts = !address.is_link_local() || (link != nullptr && one.interface == link->index);
    return one.address == address && counts;
  });
}

bool has_ipv6(const LinkTable& table, const std::string& interface) {
  const Link* link = table.find(interface);
  return link != nullptr && std::ranges::any_of(table.addresses(), [&](const InterfaceAddress& one) {
           return one.interface == link->index && !one.address.is_v4();
         });
}

std::string link_fault(const LinkTable& table, const std::string& name) {
  const Link* link = table.find(name);
  if (link == nullptr) return "interface " + name + " is not there";
  if (!link->is_up) return "interface " + name + " is down";
  if (!link->has_carrier) return "interface " + name + " has no carrier";
  return "";
}

constexpr const char* kNoOwnPeer =
    "vip.peers: none of them is an address of this host, allowed: the addresses of all hosts, or of two the "
    "other one alone";

}  // namespace

OwnLinks::OwnLinks(const VipConfig& config, const LinkTable& table)
    : OwnLinks(config, table, find_interface(config, table), {}) {
  if (own_peers_are_missing()) throw std::runtime_error(kNoOwnPeer);
}

OwnLinks::OwnLinks(const VipConfig& config, const LinkTable& table, std::string interface,
                   std::vector<IpAddress> own)
    : family_(family_of(config)),
      speaks_link_local_(speaks_link_local(config)),
      anchor_(anchor_of(config)),
      vips_(held_addresses(config)),
      interface_(std::move(interface)),
      tracked_(config.track_interfaces),
      own_(std::move(own)) {
  std::erase_if(
      own_, [&](const IpAddress& one) { return std::ranges::find(config.peers, one) == config.peers.end(); });
  for (const IpAddress& peer : config.peers) {
    if (std::ranges::find(own_, peer) != own_.end()) continue;
    (is_own(table, interface_, peer) ? own_ : others_).push_back(peer);
  }
}

std::optional<std::string> OwnLinks::refusal_of(const VipConfig& config, const LinkTable& table) const {
  const OwnLinks next(config, table, interface_, own_);
  if (next.own_peers_are_missing()) return kNoOwnPeer;
  const IpAddress& vip = next.anchor_;
  const std::vector<std::string> found = table.interfaces_towards(vip);
  const bool is_elsewhere = !found.empty() && std::ranges::find(found, interface_) == found.end();
  if (!config.interface && is_elsewhere) {
    return "vip.interface: auto means " + found.front() + " for " + vip.to_string() + ", and " + interface_ +
           " is in use: this needs a restart of vipward, on the standby first";
  }
  const auto before = source(table);
  const auto after = next.source(table);
  const bool is_known_by_address = !own_.empty() || !others_.empty();  // by multicast everybody is heard
  if (is_known_by_address && before && after && before != after) {
    const bool same_peers = next.own_ == own_ && next.others_ == others_;
    return std::string(same_peers ? "vip.addresses" : "vip.peers") + ": VRRP from " + before->to_string() +
           " -> " + after->to_string() + ": " + std::string(config::kOtherSpeech);
  }
  // One that stands still now would not be worse off.
  const std::string fault = next.address_fault(table);
  if (address_fault(table).empty() && !fault.empty()) return "vip.addresses: " + fault;
  return std::nullopt;
}

std::optional<IpAddress> OwnLinks::source(const LinkTable& table) const {
  for (const IpAddress& own : own_) {
    if (table.has_usable(interface_, own)) return own;
  }
  // From another one the peers would take it for a stranger's.
  if (!own_.empty()) return std::nullopt;
  if (speaks_link_local_) return table.link_local_of(interface_, vips_);
  for (const IpAddress& vip : vips_) {
    if (vip.family() != family_ || vip.is_link_local()) continue;
    if (auto own = table.source_for(interface_, vip, vips_)) return own;
  }
  return others_.empty() ? std::nullopt : table.source_for(interface_, others_.front(), vips_);
}

// An IPv6 host may know its subnets from routers alone, which the addresses do not show.
std::string OwnLinks::address_fault(const LinkTable& table) const {
  const std::string begin = "interface " + interface_ + " has no ";
  if (anchor_.is_v4() && !table.source_for(interface_, anchor_, vips_)) {
    return begin + "address in the subnet of " + anchor_.to_string();
  }
  // The kernel refuses the VIP of an interface without IPv6, and this host could not hold the others either.
  const bool holds_ipv6 = std::ranges::any_of(vips_, [](const IpAddress& one) { return !one.is_v4(); });
  if (holds_ipv6 && !has_ipv6(table, interface_)) {
    return begin + "IPv6 address: is net.ipv6.conf." + interface_ + ".disable_ipv6 set?";
  }
  if (source(table)) return "";
  if (!own_.empty())
    return begin + "usable address " + own_.front().to_string() + ", by which vip.peers names this host";
  if (speaks_link_local_) return begin + "link-local address that is ready";
  return begin + std::string(family_name(family_)) + " address in the subnet of a peer or of vip.addresses";
}

std::string OwnLinks::interface_fault(const LinkTable& table) const {
  std::string fault = link_fault(table, interface_);
  return fault.empty() ? address_fault(table) : fault;
}

std::string OwnLinks::tracked_fault(const LinkTable& table) const {
  for (const std::string& name : tracked_) {
    std::string fault = link_fault(table, name);
    if (!fault.empty()) return "tracked " + fault;
  }
  return "";
}

}  // namespace vipward
