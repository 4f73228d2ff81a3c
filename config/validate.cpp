#include "config/validate.h"

#include <algorithm>
#include <map>
#include <utility>

#include "config/listen_addresses.h"

namespace vipward::config {
namespace {

std::string text_of(const PlacedListen& listen) {
  if (listen.listen.address) return listen.listen.address->to_string();
  return "vip:" + std::to_string(listen.listen.port);
}

std::string owner_of(const PlacedListen& listen) {
  return listen.place ? listen.place->path : "admin.listen, by default";
}

bool is_loopback(const IpAddress& ip) {
  return (ip.is_v4() && ip.bytes()[0] == 127) || ip == *IpAddress::parse("::1");
}

// Who listens where so far. An unspecified address (0.0.0.0, ::) takes its port from every address of its
// family.
class Taken {
 public:
  // Nullptr if the address is free, which it then no longer is.
  const PlacedListen* take(const SocketAddress& address, const PlacedListen& listen) {
    const FamilyPort port{address.ip().family(), address.port()};
    if (const auto same = exact_.find(address); same != exact_.end()) return same->second;
    auto& rivals = address.ip().is_unspecified() ? any_ : unspecified_;
    if (const auto rival = rivals.find(port); rival != rivals.end()) return rival->second;
    exact_.emplace(address, &listen);
    any_.emplace(port, &listen);
    if (address.ip().is_unspecified()) unspecified_.emplace(port, &listen);
    return nullptr;
  }

 private:
  using FamilyPort = std::pair<int, std::uint16_t>;
  std::map<SocketAddress, const PlacedListen*> exact_;
  std::map<FamilyPort, const PlacedListen*> any_;
  std::map<FamilyPort, const PlacedListen*> unspecified_;
};

void check_listens(const Config& config, Findings& findings) {
  auto& listens = findings.listens;
  // The later one in the file is the one to complain about; a default comes before all of it.
  std::ranges::stable_sort(listens, {}, [](const PlacedListen& listen) {
    return listen.place ? listen.place->position : Position{0, 0};
  });
  Taken taken;
  for (const PlacedListen& listen : listens) {
    if (!listen.listen.address && !config.vip && listen.place) {
      findings.errors.add(
          listen.place->position, listen.place->path,
          text_of(listen) + " needs a vip section, allowed without: an address such as 10.0.0.100:6443");
    }
    for (const SocketAddress& address : listen_addresses(listen.listen, config.vip)) {
      const PlacedListen* const rival = taken.take(address, listen);
      if (rival == nullptr || !listen.place) continue;
      findings.errors.add(
          listen.place->position, listen.place->path,
          text_of(listen) + " clashes with " + text_of(*rival) + " (" + owner_of(*rival) + ")");
      break;
    }
  }
}

// A backend at an address where a service of this file listens: its sessions would come back to us, again and
// again, at once or by way of another service.
void check_loops(const Config& config, Findings& findings) {
  std::map<SocketAddress, std::size_t> services;
  for (const PlacedListen& listen : findings.listens) {
    if (!listen.service) continue;
    for (const SocketAddress& address : listen_addresses(listen.listen, config.vip))
      services.emplace(address, *listen.service);
  }
  for (const PlacedBackend& backend : findings.backends) {
    const SocketAddress& address = backend.address;
    auto found = services.find(address);
    if (found == services.end() && is_loopback(address.ip())) {
      const auto unspecified = *IpAddress::parse(address.ip().is_v4() ? "0.0.0.0" : "::");
      found = services.find(SocketAddress(unspecified, address.port()));
    }
    if (found == services.end()) continue;
    const bool own = found->second == backend.service;
    findings.errors.add(
        backend.place.position, backend.place.path,
        address.to_string() + " is where services[" + std::to_string(found->second) + "] " +
            (own ? "itself listens: its sessions would go round in a loop"
                 : "listens: a backend is an apiserver, its sessions could go round in a loop"));
  }
}

}  // namespace

void validate(const Config& config, Findings& findings) {
  check_listens(config, findings);
  check_loops(config, findings);
}

}  // namespace vipward::config
