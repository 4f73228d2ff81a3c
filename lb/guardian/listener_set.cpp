#include "lb/guardian/listener_set.h"

#include <sys/socket.h>

#include <algorithm>
#include <span>
#include <stdexcept>
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

// Binds the sockets of a set, as far as they are not there already.
class Opener {
 public:
  Opener(const Config& config, std::vector<ListenerSet::Inherited> inherited)
      : options_{.transparent = config.vip.has_value()}, inherited_(std::move(inherited)) {}

  std::vector<Fd> open(const SocketAddress& address, std::size_t count) {
    std::vector<Fd> sockets = take(address);
    // An overlapping one of our own would be taken for another process's.
    if (sockets.empty())
      sockets.push_back(is_ours_nearby(address) ? bind_tcp_beside(address, options_)
                                                : bind_tcp(address, options_));
    if (sockets.size() > count) sockets.resize(count);
    while (sockets.size() < count) sockets.push_back(bind_tcp_beside(address, options_));
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

  ListenOptions options_;
  std::vector<ListenerSet::Inherited> inherited_;
};

struct Begun {
  std::size_t sockets = 0;  // that listen now, and did not
  int error = 0;            // of one that cannot
};
Begun listen_on_all(std::span<const Fd> sockets) {
  Begun begun;
  for (const Fd& socket : sockets) {
    if (is_listening(socket.get())) continue;
    if (listen_on(socket.get())) {
      ++begun.sockets;
    } else {
      begun.error = errno;
    }
  }
  return begun;
}

// A socket that does not listen keeps the shutdown until it does, and so does all that it accepts then: EPIPE
// (net/ipv4/af_inet.c, inet_shutdown).
void shut_down(std::span<const Fd> sockets) {
  for (const Fd& socket : sockets) {
    if (is_listening(socket.get())) ::shutdown(socket.get(), SHUT_RDWR);
  }
}

}  // namespace

ListenerSet::ListenerSet(const Config& config, Log& log) : ListenerSet(config, log, {}) {
  if (const std::string problem = listen(); !problem.empty()) throw std::runtime_error(problem);
}

ListenerSet::ListenerSet(const Config& config, Log& log, std::vector<Inherited> inherited) : log_(log) {
  Opener opener(config, std::move(inherited));
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    std::uint32_t index = 0;
    for (const SocketAddress& address : listen_addresses(config.services[i], config.vip)) {
      Group& group = services_.emplace_back();
      group.service = static_cast<std::uint32_t>(i);
      group.service_name = config.services[i].name;
      group.address_index = index++;
      group.address = address;
      group.on_vip = is_vip(config, address.ip());
      group.sockets = opener.open(address, channel::kListenersPerAddress);
    }
  }
  for (const SocketAddress& address : config.admin.listen) {
    std::vector<Fd> sockets = opener.open(address, 1);
    admin_.push_back(
        {.address = address, .on_vip = is_vip(config, address.ip()), .socket = std::move(sockets.front())});
  }
}

std::string ListenerSet::listen() {
  std::string problem;
  const auto begin = [&](const std::string& service, const auto& at, std::span<const Fd> sockets) {
    const std::string address = at.address.to_string();
    const Begun begun = listen_on_all(sockets);
    if (begun.error != 0 && problem.empty())
      problem = "cannot listen on " + address + ": " + std::generic_category().message(begun.error);
    if (begun.error != 0 || begun.sockets == 0) return;
    log_.info("listening", {{"service", service}, {"address", address}});
    // With a VIP it is what a backup looks like.
    if (is_local_address(at.address.ip()) || at.on_vip) return;
    log_.warn("this host does not have the address now, clients arrive once it does", {{"address", address}});
  };
  for (const Group& group : services_) {
    if (!refusing_ || !group.on_vip) begin(group.service_name, group, group.sockets);
  }
  for (const AdminListener& listener : admin_) begin("admin", listener, {&listener.socket, 1});
  return problem;
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
    if (group.on_vip) shut_down(group.sockets);
  }
}

void ListenerSet::listen_again() {
  if (!std::exchange(refusing_, false)) return;
  for (const Group& group : services_) {
    if (group.on_vip) listen_on_all(group.sockets);  // check() finds what fails
  }
}

void ListenerSet::close_all() {
  for (const Group& group : services_) shut_down(group.sockets);
}

bool ListenerSet::check() {
  std::string lost;
  for (const Group& group : services_) {
    if (refusing_ && group.on_vip) continue;
    const Begun begun = listen_on_all(group.sockets);
    if (begun.sockets > 0)
      log_.warn("a listener had been closed from outside, it listens again",
                {{"address", group.address.to_string()}});
    if (begun.error == 0) continue;
    lost += (lost.empty() ? "" : ", ") + group.address.to_string();
    if (lost_.empty()) {
      log_.error(
          "a listener is lost, its clients are refused",
          {{"address", group.address.to_string()}, {"error", std::generic_category().message(begun.error)}});
    }
  }
  for (const AdminListener& listener : admin_) {
    if (listen_on_all({&listener.socket, 1}).sockets > 0)
      log_.info("listening", {{"service", "admin"}, {"address", listener.address.to_string()}});
  }
  lost_ = lost;
  return lost_.empty();
}

}  // namespace vipward
