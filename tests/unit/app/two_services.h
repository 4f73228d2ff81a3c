// A configuration for the tests of what is put together from it: two services of two backends each.
#pragma once

#include <string>
#include <vector>

#include "lb/app/effective_services.h"

namespace vipward {

inline BackendConfig backend(const std::string& name, const std::string& address) {
  return {.name = name, .address = *SocketAddress::parse(address), .weight = 1};
}

inline std::vector<ServiceConfig> two_services() {
  std::vector<ServiceConfig> services(2);
  services[0].name = "api";
  services[1].name = "join";
  for (ServiceConfig& service : services) {
    service.health_check.protocol = CheckProtocol::Https;
    service.backends = {backend("master-1", "10.0.0.11:6443"), backend("master-2", "10.0.0.12:6443")};
  }
  return services;
}

// A steady time as the guardian tells it.
inline std::int64_t nanoseconds(TimePoint time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

}  // namespace vipward
