#include "lb/vip/address_keeper.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace vipward {
namespace {

constexpr std::chrono::milliseconds kRemoveRetry{100};

std::string failure(const std::string& what, int error) {
  return what + ": " + std::generic_category().message(error);
}

// The tag alone would hit a second instance, the record alone an address that somebody has put there since.
bool is_recorded(const InterfaceAddress& here, const std::string& name,
                 const std::vector<RecordedAddress>& file) {
  return std::ranges::any_of(file, [&](const RecordedAddress& one) {
    if (one.address != here.address) return false;
    if (here.address.is_link_local() && one.interface != name) return false;
    return here.protocol == kAddressProtocolVrrp || (here.protocol == 0 && one.interface == name);
  });
}

}  // namespace

std::optional<std::string> foreign_holding(const LinkTable& table, std::span<const IpAddress> addresses,
                                           std::string_view interface) {
  for (const InterfaceAddress& here : table.addresses()) {
    const Link* link = table.find(here.interface);
    if (link == nullptr || here.is_host()) continue;
    if (here.address.is_link_local() && !interface.empty() && link->name != interface) continue;
    if (std::ranges::find(addresses, here.address) == addresses.end()) continue;
    const std::string text = Cidr{here.address, here.prefix}.to_string();
    return here.address.to_string() + " is an address of this host's own, " + text + " on " + link->name +
           "; remove it: ip addr del " + text + " dev " + link->name;
  }
  return std::nullopt;
}

AddressKeeper::AddressKeeper(AddressKeeperSettings settings, LinkWatch& links)
    : settings_(std::move(settings)),
      renewal_(Duration(settings_.lifetime) / 4),
      links_(links),
      file_(settings_.state_file) {
  for (const IpAddress& address : settings_.addresses) slots_.push_back({.address = address});
}

AddressKeeper::LeftOvers AddressKeeper::remove_left_overs() {
  LeftOvers result;
  const std::vector<RecordedAddress> recorded = file_.read();
  for (const InterfaceAddress& here : links_.table().addresses()) {
    const Link* link = links_.table().find(here.interface);
    if (link == nullptr || !here.is_host()) continue;
    // fe80::1 on another interface is another address: routers like to have it on each.
    const bool may_be_own = !here.address.is_link_local() || link->name == settings_.interface;
    const bool is_own =
        may_be_own && std::ranges::find(settings_.addresses, here.address) != settings_.addresses.end();
    if (!is_own && !is_recorded(here, link->name, recorded)) continue;
    const int error = links_.requests().send(
        AddressRequest::Remove, {.interface = here.interface, .address = here.address, .lifetime = {}});
    if (error == 0) {
      result.removed.push_back({here.address, link->name});
    } else if (error != EADDRNOTAVAIL && error != ENODEV) {
      result.problem = failure("cannot remove " + here.address.to_string() + " from " + link->name, error);
    }
    // One that somebody else put there, keepalived above all, says nothing about who had it last.
    const bool is_ours = here.protocol == kAddressProtocolVrrp || is_recorded(here, link->name, recorded);
    const bool is_in_place = is_own && is_ours && link->name == settings_.interface;
    if (is_in_place && links_.table().is_usable(link->name)) result.were_usable = true;
  }
  if (!result.problem) record();
  return result;
}

void AddressKeeper::go_on(TimePoint now, const KeeperMemory& memory) {
  wanted_ = memory.wanted;
  bool is_any_on = false;
  for (const HeldAddress& one : memory.held) {
    const auto ours = std::ranges::find(slots_, one.address, &HeldAddress::address);
    if (ours != slots_.end()) {
      *ours = one;
      is_any_on = is_any_on || one.interface != 0;
    } else if (one.interface != 0) {
      surplus_.push_back(one);
    }
  }
  // At once: the lifetime may be another one now, and what should have gone has to be tried again.
  if (wanted_ || is_any_on) due_ = now;
  record();
}

KeeperMemory AddressKeeper::memory() const {
  KeeperMemory memory{.wanted = wanted_, .held = surplus_};
  for (const HeldAddress& slot : slots_) {
    if (slot.interface != 0 || slot.was_on) memory.held.push_back(slot);
  }
  return memory;
}

std::vector<IpAddress> AddressKeeper::surplus() const {
  std::vector<IpAddress> addresses;
  for (const HeldAddress& one : surplus_) addresses.push_back(one.address);
  return addresses;
}

std::optional<std::string> AddressKeeper::drop_surplus(TimePoint now) {
  if (surplus_.empty()) return std::nullopt;
  auto problem = take_off_surplus(now);
  record();
  return problem;
}

std::optional<std::string> AddressKeeper::add(TimePoint now) {
  wanted_ = true;
  due_.reset();
  if (renewal_.count() > 0) due_ = now + renewal_;
  // Before the kernel, and also where repair() has to wait for the interface: a crash must leave a record.
  record();
  const Link* link = links_.table().find(settings_.interface);
  if (link == nullptr) return "interface " + settings_.interface + " does not exist";
  std::optional<std::string> problem;
  for (HeldAddress& slot : slots_) {
    if (slot.interface != 0 && slot.interface != link->index) take_off(slot);
    const int error = put(slot, link->index, AddressRequest::Ensure);
    if (error == 0) continue;
    problem = failure("cannot add " + slot.address.to_string() + " to " + settings_.interface, error);
  }
  return problem;
}

std::optional<std::string> AddressKeeper::remove(TimePoint now) {
  wanted_ = false;
  due_.reset();
  std::optional<std::string> problem = take_off_surplus(now);
  for (HeldAddress& slot : slots_) {
    slot.was_on = false;
    const int error = take_off(slot);
    if (error == 0) continue;
    problem = removal_failure(slot, error);
    due_ = now + kRemoveRetry;
  }
  record();
  return problem;
}

void AddressKeeper::renew(TimePoint now) {
  if (surplus_due_ && now >= *surplus_due_) drop_surplus(now);
  if (!due_ || now < *due_) return;
  if (!wanted_) {
    remove(now);
    return;
  }
  renew_now(now);
}

void AddressKeeper::renew_now(TimePoint now) {
  if (!wanted_) return;
  bool failed = false;
  for (HeldAddress& slot : slots_) {
    if (slot.interface == 0) continue;
    const int error = put(slot, slot.interface, AddressRequest::Renew);
    // Gone, or another one by now: for repair() to see, who is asked only after the stall check.
    failed = failed || (error != 0 && error != EINVAL && error != ENODEV && error != EEXIST);
  }
  due_.reset();
  if (renewal_.count() > 0) due_ = now + (failed ? renewal_ / 4 : renewal_);
}

bool AddressKeeper::repair() {
  if (!wanted_) return false;
  const Link* link = links_.table().find(settings_.interface);
  if (link == nullptr) return false;
  bool is_new = false;
  for (HeldAddress& slot : slots_) {
    const bool is_there = links_.table().find_host_address(link->index, slot.address) != nullptr;
    if (is_there && slot.interface == link->index) continue;
    is_new = restore(slot, link->index) || is_new;
  }
  return is_new;
}

bool AddressKeeper::is_complete() const {
  const Link* link = links_.table().find(settings_.interface);
  return link != nullptr && std::ranges::all_of(slots_, [&](const HeldAddress& slot) {
           return links_.table().find_host_address(link->index, slot.address) != nullptr;
         });
}

bool AddressKeeper::restore(HeldAddress& slot, unsigned index) {
  // On the interface that had the name before.
  if (slot.interface != 0 && slot.interface != index) take_off(slot);
  const bool was_on = slot.was_on;
  const int error = put(slot, index, AddressRequest::Create);
  if (error == EEXIST) {
    // The table was behind, or somebody was quicker: with a lifetime of his.
    put(slot, index, AddressRequest::Ensure);
    return false;
  }
  if (error != 0) return false;
  if (was_on) ++restored_;
  return true;
}

int AddressKeeper::put(HeldAddress& slot, unsigned index, AddressRequest request) {
  if (is_of_the_host(index, slot.address)) return EEXIST;
  const int error = links_.requests().send(
      request, {.interface = index, .address = slot.address, .lifetime = settings_.lifetime});
  if (error == 0) slot.was_on = true;
  // A request without an answer may have been done.
  if (error == 0 || error == ETIMEDOUT) slot.interface = index;
  return error;
}

int AddressKeeper::take_off(HeldAddress& slot) {
  if (slot.interface == 0) return 0;
  const int error = links_.requests().send(
      AddressRequest::Remove, {.interface = slot.interface, .address = slot.address, .lifetime = {}});
  if (error != 0 && error != EADDRNOTAVAIL && error != ENODEV) return error;
  slot.interface = 0;
  return 0;
}

// IPv6 takes a request for the /128 as one for the address whatever its prefix: the host's own would get our
// lifetime, and lose the route of its subnet at once. IPv4 has both side by side.
bool AddressKeeper::is_of_the_host(unsigned index, const IpAddress& address) const {
  return !address.is_v4() &&
         std::ranges::any_of(links_.table().addresses(), [&](const InterfaceAddress& here) {
           return here.interface == index && here.address == address && !here.is_host();
         });
}

std::optional<std::string> AddressKeeper::take_off_surplus(TimePoint now) {
  std::optional<std::string> problem;
  for (HeldAddress& one : surplus_) {
    if (const int error = take_off(one); error != 0) problem = removal_failure(one, error);
  }
  std::erase_if(surplus_, [](const HeldAddress& one) { return one.interface == 0; });
  surplus_due_.reset();
  if (problem) surplus_due_ = now + kRemoveRetry;
  return problem;
}

std::string AddressKeeper::removal_failure(const HeldAddress& slot, int error) const {
  return failure("cannot remove " + slot.address.to_string() + " from " + settings_.interface, error);
}

// What is on the interface, or about to be put there.
void AddressKeeper::record() {
  std::vector<RecordedAddress> addresses;
  for (const HeldAddress& slot : slots_) {
    if (wanted_ || slot.interface != 0) addresses.push_back({slot.address, settings_.interface});
  }
  for (const HeldAddress& one : surplus_) addresses.push_back({one.address, settings_.interface});
  state_file_problem_ = file_.write(addresses);
}

}  // namespace vipward
