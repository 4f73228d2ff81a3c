#include "lb/guardian/listener_set.h"

#include <sys/socket.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "config/listen_addresses.h"
#include "lb/channel/messages.h"
#include "lb/net/socket.h"

namespace vipward {
namespace {

bool is_vip(const Config& config, const IpAddress& address) {
  return config.vip &&
         std::ranges::find(config.vip->addresses, address, &Cidr::address) != config.vip->addresses.end();
}

bool overlaps(const SocketAddress& one, const SocketAddress& other) {
  return one.port() == other.port() && (one.ip().is_unspecified() || other.ip().is_unspecified());
}

// Opens the sockets of a set, as far as they are not there already.
class Opener {
 public:
  Opener(const Config& config, Log& log, std::vector<ListenerSet::Inherited> inherited)
      : config_(config),
        log_(log),
        options_{.transparent = config.vip.has_value()},
        inherited_(std::move(inherited)) {}

  std::vector<Fd> open(const SocketAddress& address, const std::string& service, std::size_t count) {
    std::vector<Fd> sockets = take(address);
    const bool is_new = sockets.empty();
    // An overlapping one of our own would be taken for another process's.
    if (is_new)
      sockets.push_back(is_ours_nearby(address) ? listen_tcp_beside(address, options_)
                                                : listen_tcp(address, options_));
    if (sockets.size() > count) sockets.resize(count);
    while (sockets.size() < count) sockets.push_back(listen_tcp_beside(address, options_));
    if (is_new) say(address, service);
    return sockets;
  }

 private:
  std::vector<Fd> take(const SocketAddress& address) {
    const auto found = std::ranges::find(inherited_, address, &ListenerSet::Inherited::address);
    return found == inherited_.end() ? std::vector<Fd>() : std::exchange(found->sockets, {});
  }
  bool is_ours_nearby(const SocketAddress& address) const {
    return std::ranges::any_of(inherited_, [&](const auto& of) { return overlaps(of.address, address); });
  }
  void say(const SocketAddress& address, const std::string& service) const {
    log_.info("listening", {{"service", service}, {"address", address.to_string()}});
    // With a VIP it is what a backup looks like.
    if (is_local_address(address.ip()) || is_vip(config_, address.ip())) return;
    log_.warn("this host does not have the address now, clients arrive once it does",
              {{"address", address.to_string()}});
  }

  const Config& config_;
  Log& log_;
  ListenOptions options_;
  std::vector<ListenerSet::Inherited> inherited_;
};

}  // namespace

ListenerSet::ListenerSet(const Config& config, Log& log, std::vector<Inherited> inherited) : log_(log) {
  Opener opener(config, log, std::move(inherited));
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    std::uint32_t index = 0;
    for (const SocketAddress& address : listen_addresses(config.services[i], config.vip)) {
      Group& group = services_.emplace_back();
      group.service = static_cast<std::uint32_t>(i);
      group.address_index = index++;
      group.address = address;
      group.on_vip = is_vip(config, address.ip());
      group.sockets = opener.open(address, config.services[i].name, channel::kListenersPerAddress);
    }
  }
  for (const SocketAddress& address : config.admin.listen) {
    std::vector<Fd> sockets = opener.open(address, "admin", 1);
    admin_.push_back({.address = address, .socket = std::move(sockets.front())});
  }
}

std::vector<ListenerSet::Lent> ListenerSet::lent() const {
  std::vector<Lent> all;
  for (const Group& group : services_) {
    Lent& of = all.emplace_back(Lent{.address = group.address, .sockets = {}});
    for (const Fd& socket : group.sockets) of.sockets.push_back(socket.get());
  }
  for (const AdminListener& listener : admin_)
    all.push_back({.address = listener.address, .sockets = {listener.socket.get()}});
  return all;
}

std::vector<ListenerSet::Inherited> ListenerSet::copies() const {
  std::vector<Inherited> all;
  for (const Lent& of : lent()) {
    Inherited& copy = all.emplace_back(Inherited{.address = of.address, .sockets = {}});
    for (const int socket : of.sockets) {
      copy.sockets.push_back(duplicate_of(socket));
      if (!copy.sockets.back())
        throw std::system_error(errno, std::generic_category(), "cannot copy the listeners");
    }
  }
  return all;
}

void ListenerSet::refuse_on_vips() {
  refusing_ = true;
  for (const Group& group : services_) {
    if (!group.on_vip) continue;
    for (const Fd& socket : group.sockets) ::shutdown(socket.get(), SHUT_RDWR);
  }
}

void ListenerSet::listen_again() {
  if (!std::exchange(refusing_, false)) return;
  for (const Group& group : services_) {
    if (!group.on_vip) continue;
    for (const Fd& socket : group.sockets) listen_on(socket.get());  // check() finds what fails
  }
}

void ListenerSet::close_all() {
  for (const Group& group : services_) {
    for (const Fd& socket : group.sockets) ::shutdown(socket.get(), SHUT_RDWR);
  }
}

bool ListenerSet::check() {
  std::string lost;
  for (const Group& group : services_) {
    if (refusing_ && group.on_vip) continue;
    int error = 0;
    std::size_t repaired = 0;
    for (const Fd& socket : group.sockets) {
      if (is_listening(socket.get())) continue;
      if (listen_on(socket.get())) {
        ++repaired;
      } else {
        error = errno;
      }
    }
    if (repaired > 0)
      log_.warn("a listener had been closed from outside, it listens again",
                {{"address", group.address.to_string()}});
    if (error == 0) continue;
    lost += (lost.empty() ? "" : ", ") + group.address.to_string();
    if (lost_.empty()) {
      log_.error("a listener is lost, its clients are refused",
                 {{"address", group.address.to_string()}, {"error", std::generic_category().message(error)}});
    }
  }
  lost_ = lost;
  return lost_.empty();
}

}  // namespace vipward
