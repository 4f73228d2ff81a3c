#include "lb/net/link_table.h"

#include <linux/if_addr.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace vipward {
namespace {

bool is_same_address(const InterfaceAddress& a, const InterfaceAddress& b) {
  return a.interface == b.interface && a.address == b.address && a.prefix == b.prefix;
}

bool holds(const InterfaceAddress& subnet, const IpAddress& target) {
  return Cidr{subnet.address, subnet.prefix}.contains(target);
}

bool is_usable_source(const InterfaceAddress& own) {
  if ((own.flags & IFA_F_DADFAILED) != 0) return false;
  return (own.flags & IFA_F_TENTATIVE) == 0 || (own.flags & IFA_F_OPTIMISTIC) != 0;
}

bool is_better_source(const InterfaceAddress& a, const InterfaceAddress& b) {
  const auto rank = [](const InterfaceAddress& own) {
    const bool is_v6 = !own.address.is_v4();
    // The bit of IFA_F_TEMPORARY says in IPv4 that the subnet has another address, which came first.
    return std::tuple((own.flags & IFA_F_DEPRECATED) != 0, is_v6 && (own.flags & IFA_F_TEMPORARY) != 0,
                      is_v6 ? own.address : IpAddress());
  };
  return rank(a) < rank(b);
}

// The best source on the interface `link` among those for which `is_asked_for` holds.
template <class Predicate>
std::optional<IpAddress> best_source(std::span<const InterfaceAddress> addresses, const Link* link,
                                     std::span<const IpAddress> except, Predicate is_asked_for) {
  const InterfaceAddress* best = nullptr;
  for (const InterfaceAddress& own : addresses) {
    if (link == nullptr || own.interface != link->index) continue;
    if (!is_usable_source(own) || !is_asked_for(own)) continue;
    if (std::ranges::find(except, own.address) != except.end()) continue;
    if (best == nullptr || is_better_source(own, *best)) best = &own;
  }
  return best == nullptr ? std::nullopt : std::optional(best->address);
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
  const InterfaceAddress wanted{.interface = index, .address = address, .prefix = address.bits()};
  const auto found =
      std::ranges::find_if(addresses_, [&](const InterfaceAddress& a) { return is_same_address(a, wanted); });
  return found == addresses_.end() ? nullptr : &*found;
}

bool LinkTable::has_usable(std::string_view name, const IpAddress& address) const {
  const Link* link = find(name);
  return link != nullptr && std::ranges::any_of(addresses_, [&](const InterfaceAddress& own) {
           return own.interface == link->index && own.address == address && is_usable_source(own);
         });
}

std::optional<IpAddress> LinkTable::source_for(std::string_view name, const IpAddress& target,
                                               std::span<const IpAddress> except) const {
  return best_source(addresses_, find(name), except,
                     [&](const InterfaceAddress& own) { return holds(own, target); });
}

std::optional<IpAddress> LinkTable::link_local_of(std::string_view name,
                                                  std::span<const IpAddress> except) const {
  return best_source(addresses_, find(name), except,
                     [](const InterfaceAddress& own) { return own.address.is_link_local(); });
}

std::vector<std::string> LinkTable::interfaces_towards(const IpAddress& target) const {
  if (target.is_link_local()) return {};
  std::vector<const InterfaceAddress*> subnets;
  for (const InterfaceAddress& own : addresses_) {
    if (!own.is_host() && holds(own, target)) subnets.push_back(&own);
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
