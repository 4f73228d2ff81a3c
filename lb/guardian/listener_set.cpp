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

}  // namespace

ListenerSet::ListenerSet(const Config& config, Log& log) : log_(log) {
  const ListenOptions options{.transparent = config.vip.has_value()};
  const auto open = [&](const SocketAddress& address, const std::string& service) {
    Fd listener = listen_tcp(address, options);
    log.info("listening", {{"service", service}, {"address", address.to_string()}});
    // With a VIP it is what a backup looks like.
    if (!is_local_address(address.ip()) && !is_vip(config, address.ip())) {
      log.warn("this host does not have the address now, clients arrive once it does",
               {{"address", address.to_string()}});
    }
    return listener;
  };
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    std::uint32_t index = 0;
    for (const SocketAddress& address : listen_addresses(config.services[i], config.vip)) {
      Group& group = services_.emplace_back();
      group.service = static_cast<std::uint32_t>(i);
      group.address_index = index++;
      group.address = address;
      group.on_vip = is_vip(config, address.ip());
      group.sockets.push_back(open(address, config.services[i].name));
      while (group.sockets.size() < channel::kListenersPerAddress)
        group.sockets.push_back(listen_tcp_beside(address, options));
    }
  }
  for (const SocketAddress& address : config.admin.listen) admin_.push_back(open(address, "admin"));
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
