#include "lb/admin/readiness.h"

#include <algorithm>

namespace vipward {
namespace {

auto count_in_state(const ServiceStatus& service, BackendState state) {
  return std::count_if(service.backends.begin(), service.backends.end(),
                       [&](const BackendStatus& backend) { return backend.state == state; });
}

}  // namespace

bool has_usable_backend(const ServiceStatus& service) {
  if (count_in_state(service, BackendState::Ready) > 0) return true;
  return !service.refuses_when_none_ready && count_in_state(service, BackendState::NotReady) > 0;
}

std::string describe_backends(const ServiceStatus& service) {
  std::string text = std::to_string(count_in_state(service, BackendState::Ready)) + " of " +
                     std::to_string(service.backends.size()) + " backends ready";
  std::string others;
  for (const BackendState state : kBackendStates) {
    const auto count = count_in_state(service, state);
    if (state == BackendState::Ready || count == 0) continue;
    others += others.empty() ? " (" : ", ";
    others += std::to_string(count) + ' ' + std::string(to_string(state));
  }
  return others.empty() ? text : text + others + ')';
}

Readiness assess_readiness(const Snapshot& snapshot) {
  Readiness result;
  std::string without;
  std::string lines;
  for (const ServiceStatus& service : snapshot.services) {
    const bool usable = has_usable_backend(service);
    if (!usable) without += (without.empty() ? "" : ", ") + service.name;
    lines += service.name + (usable ? ": ok: " : ": no usable backend: ") + describe_backends(service) + '\n';
  }
  if (snapshot.stopping)
    result.text = "not ready: stopping\n";
  else if (!without.empty())
    result.text = "not ready: no usable backend for " + without + '\n';
  else
    result.text = "ok\n";
  result.ready = !snapshot.stopping && without.empty();
  result.text += lines;
  return result;
}

}  // namespace vipward
