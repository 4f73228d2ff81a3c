#include "lb/app/effective_services.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vipward {
namespace {

// Of the service with that name; a departing one is made if there is none.
std::size_t service_of(std::vector<ServiceConfig>& services, const std::string& name) {
  const auto found = std::ranges::find(services, name, &ServiceConfig::name);
  if (found != services.end()) return static_cast<std::size_t>(found - services.begin());
  ServiceConfig& departing = services.emplace_back();
  departing.name = name;
  departing.health_check.protocol = CheckProtocol::Tcp;
  return services.size() - 1;
}

}  // namespace

EffectiveServices effective_services(std::vector<ServiceConfig> configured,
                                     const std::vector<channel::DepartingBackend>& departing) {
  EffectiveServices result;
  result.services = std::move(configured);
  result.configured_services = result.services.size();
  for (const ServiceConfig& service : result.services)
    result.configured_backends.push_back(service.backends.size());
  for (const channel::DepartingBackend& backend : departing) {
    const auto address = SocketAddress::parse(backend.address);
    if (!address) continue;
    const std::size_t service = service_of(result.services, backend.service);
    std::vector<BackendConfig>& backends = result.services[service].backends;
    backends.push_back({.name = backend.backend, .address = *address, .weight = 1});
    result.departing.push_back({.id = {.service = service, .backend = backends.size() - 1},
                                .leaves_at = TimePoint(std::chrono::nanoseconds(backend.leaves_at_ns))});
  }
  return result;
}

}  // namespace vipward
