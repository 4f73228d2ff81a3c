#include "lb/guardian/departing.h"

#include <algorithm>
#include <chrono>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Closing them takes two seconds; a proxy that is late gets more.
constexpr Duration kLongOver = 60s;

std::int64_t nanoseconds(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

bool is_named(const Config& config, const channel::DepartingBackend& backend) {
  return std::ranges::any_of(config.services, [&](const ServiceConfig& service) {
    return service.name == backend.service &&
           std::ranges::any_of(service.backends, [&](const BackendConfig& named) {
             return named.address.to_string() == backend.address;  // under whatever name
           });
  });
}

}  // namespace

std::vector<channel::DepartingBackend> departing_after(const std::vector<channel::DepartingBackend>& before,
                                                       const std::vector<config::DepartingBackend>& removed,
                                                       const Config& next, TimePoint now) {
  std::vector<channel::DepartingBackend> all = before;
  for (const config::DepartingBackend& backend : removed) {
    all.push_back({.service = backend.service,
                   .backend = backend.backend,
                   .address = backend.address.to_string(),
                   .leaves_at_ns = nanoseconds(now + backend.drain_timeout)});
  }
  std::erase_if(all, [&](const channel::DepartingBackend& backend) {
    return is_named(next, backend) || backend.leaves_at_ns < nanoseconds(now - kLongOver);
  });
  return all;
}

}  // namespace vipward
