#include "lb/net/link_table.h"

#include <algorithm>
#include <utility>

namespace vipward {
namespace {

bool is_same_address(const InterfaceAddress& a, const InterfaceAddress& b) {
  return a.interface == b.interface && a.address == b.address && a.prefix == b.prefix;
}

bool holds(const InterfaceAddress& subnet, const IpAddress& target) {
  return Cidr{subnet.address, subnet.prefix}.contains(target);
}

}  // namespace

bool LinkTable::apply(const NetlinkEvent& event) {
  if (const auto* link = std::get_if<LinkEvent>(&event)) return apply_link(*link);
  return apply_address(std::get<AddressEvent>(event));
}

bool LinkTable::apply_link(const LinkEvent& event) {
  const auto known = std::ranges::find(links_, event.link.index, &Link::index);
  if (event.is_gone) {
    if (known == links_.end()) return false;
    links_.erase(known);
    std::erase_if(addresses_, [&](const InterfaceAddress& a) { return a.interface == event.link.index; });
    return true;
  }
  if (known == links_.end()) {
    links_.push_back(event.link);
    return true;
  }
  return std::exchange(*known, event.link) != event.link;
}

bool LinkTable::apply_address(const AddressEvent& event) {
  const auto known = std::ranges::find_if(
      addresses_, [&](const InterfaceAddress& a) { return is_same_address(a, event.address); });
  if (event.is_gone) {
    if (known == addresses_.end()) return false;
    addresses_.erase(known);
    return true;
  }
  if (known == addresses_.end()) {
    addresses_.push_back(event.address);
    return true;
  }
  return std::exchange(*known, event.address) != event.address;
}

void LinkTable::replace_all(std::span<const NetlinkEvent> events) {
  links_.clear();
  addresses_.clear();
  for (const NetlinkEvent& event : events) apply(event);
}

const Link* LinkTable::find(std::string_view name) const {
  const auto found = std::ranges::find(links_, name, &Link::name);
  return found == links_.end() ? nullptr : &*found;
}

const Link* LinkTable::find(unsigned index) const {
  const auto found = std::ranges::find(links_, index, &Link::index);
  return found == links_.end() ? nullptr : &*found;
}

bool LinkTable::is_usable(std::string_view name) const {
  const Link* link = find(name);
  return link != nullptr && link->is_up && link->has_carrier;
}

bool LinkTable::has_mac(const MacAddress& mac) const {
  return std::ranges::find(links_, mac, &Link::mac) != links_.end();
}

const InterfaceAddress* LinkTable::find_host_address(unsigned index, const IpAddress& address) const {
  const unsigned prefix = address.is_v4() ? 32 : 128;
  const InterfaceAddress wanted{.interface = index, .address = address, .prefix = prefix};
  const auto found =
      std::ranges::find_if(addresses_, [&](const InterfaceAddress& a) { return is_same_address(a, wanted); });
  return found == addresses_.end() ? nullptr : &*found;
}

std::optional<IpAddress> LinkTable::source_for(std::string_view name, const IpAddress& target,
                                               std::span<const IpAddress> except) const {
  const Link* link = find(name);
  if (link == nullptr) return std::nullopt;
  for (const InterfaceAddress& own : addresses_) {
    if (own.interface != link->index || !holds(own, target)) continue;
    if (std::ranges::find(except, own.address) == except.end()) return own.address;
  }
  return std::nullopt;
}

std::vector<std::string> LinkTable::interfaces_towards(const IpAddress& target) const {
  std::vector<const InterfaceAddress*> subnets;
  for (const InterfaceAddress& own : addresses_) {
    const bool is_host = own.prefix == (own.address.is_v4() ? 32U : 128U);
    if (!is_host && holds(own, target)) subnets.push_back(&own);
  }
  std::ranges::stable_sort(subnets, std::ranges::greater{}, &InterfaceAddress::prefix);
  std::vector<std::string> names;
  for (const InterfaceAddress* subnet : subnets) {
    const Link* link = find(subnet->interface);
    if (link != nullptr && std::ranges::find(names, link->name) == names.end()) names.push_back(link->name);
  }
  return names;
}

}  // namespace vipward
