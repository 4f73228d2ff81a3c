#include "lb/vip/own_links.h"

#include <algorithm>
#include <stdexcept>

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

}  // namespace

OwnLinks::OwnLinks(const VipConfig& config, const LinkTable& table)
    : interface_(find_interface(config, table)), tracked_(config.track_interfaces) {
  for (const Cidr& cidr : config.addresses) vips_.push_back(cidr.address);
  for (const IpAddress& peer : config.peers) {
    if (!is_own(table, peer)) others_.push_back(peer);
  }
  if (others_.size() > 1) {
    throw std::runtime_error(
        "vip.peers: none of them is an address of this host, allowed: the addresses of both hosts, "
        "or the other one alone");
  }
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
