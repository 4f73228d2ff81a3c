#include "lb/vip/own_links.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace vipward {
namespace {

std::string find_interface(const VipConfig& config, const LinkTable& table) {
  if (config.interface) return *config.interface;
  const IpAddress& vip = config.addresses.front().address;
  const std::vector<std::string> found = table.interfaces_towards(vip);
  if (found.empty()) {
    throw std::runtime_error("vip.interface: no interface of this host has a subnet with " + vip.to_string() +
                             " in it, allowed: the name of an interface");
  }
  return found.front();
}

bool is_own(const LinkTable& table, const IpAddress& address) {
  return std::ranges::find(table.addresses(), address, &InterfaceAddress::address) != table.addresses().end();
}

std::string link_fault(const LinkTable& table, const std::string& name) {
  const Link* link = table.find(name);
  if (link == nullptr) return "interface " + name + " is not there";
  if (!link->is_up) return "interface " + name + " is down";
  if (!link->has_carrier) return "interface " + name + " has no carrier";
  return "";
}

constexpr const char* kNoOwnPeer =
    "vip.peers: none of them is an address of this host, allowed: the addresses of both hosts, or the other "
    "one alone";

}  // namespace

OwnLinks::OwnLinks(const VipConfig& config, const LinkTable& table)
    : OwnLinks(config, table, find_interface(config, table), {}) {
  if (others_.size() > 1) throw std::runtime_error(kNoOwnPeer);
}

OwnLinks::OwnLinks(const VipConfig& config, const LinkTable& table, std::string interface,
                   std::vector<IpAddress> own)
    : interface_(std::move(interface)), tracked_(config.track_interfaces), own_(std::move(own)) {
  for (const Cidr& cidr : config.addresses) vips_.push_back(cidr.address);
  for (const IpAddress& peer : config.peers) {
    if (std::ranges::find(own_, peer) != own_.end()) continue;
    (is_own(table, peer) ? own_ : others_).push_back(peer);
  }
}

std::optional<std::string> OwnLinks::refusal_of(const VipConfig& config, const LinkTable& table) const {
  const OwnLinks next(config, table, interface_, own_);
  if (next.others_.size() > 1) return kNoOwnPeer;
  const IpAddress& vip = next.vips_.front();
  const std::vector<std::string> found = table.interfaces_towards(vip);
  const bool is_elsewhere = !found.empty() && std::ranges::find(found, interface_) == found.end();
  if (!config.interface && is_elsewhere) {
    return "vip.interface: auto means " + found.front() + " for " + vip.to_string() + ", and " + interface_ +
           " is in use: this needs a restart of vipward, on the standby first";
  }
  // Without an address of its own it stands still now, and would not be worse off.
  if (source(table) && !next.source(table)) {
    return "vip.addresses: interface " + interface_ + " has no address in the subnet of " + vip.to_string();
  }
  return std::nullopt;
}

std::optional<IpAddress> OwnLinks::source(const LinkTable& table) const {
  return table.source_for(interface_, vips_.front(), vips_);
}

std::string OwnLinks::interface_fault(const LinkTable& table) const {
  std::string fault = link_fault(table, interface_);
  if (!fault.empty() || source(table)) return fault;
  return "interface " + interface_ + " has no address in the subnet of " + vips_.front().to_string();
}

std::string OwnLinks::tracked_fault(const LinkTable& table) const {
  for (const std::string& name : tracked_) {
    std::string fault = link_fault(table, name);
    if (!fault.empty()) return "tracked " + fault;
  }
  return "";
}

}  // namespace vipward
