#include "lb/admin/readiness.h"

#include <algorithm>

namespace vipward {
namespace {

// Of the configured ones.
auto count_in_state(const ServiceStatus& service, BackendState state) {
  return std::ranges::count_if(service.backends, [&](const BackendStatus& backend) {
    return backend.state == state && !(backend.drain && backend.drain->removed);
  });
}

std::string_view verdict_on(const ServiceStatus& service) {
  if (service.lost_listeners > 0) return ": a listener is lost: ";
  if (!has_living_backend(service)) return ": no living backend: ";
  return serves_sessions(service) ? ": ok: " : ": alive, but refuses sessions: ";
}

}  // namespace

bool serves_sessions(const ServiceStatus& service) {
  if (count_in_state(service, BackendState::Ready) > 0) return true;
  return !service.refuses_when_none_ready && count_in_state(service, BackendState::NotReady) > 0;
}

bool has_living_backend(const ServiceStatus& service) {
  return count_in_state(service, BackendState::Ready) + count_in_state(service, BackendState::NotReady) > 0;
}

std::string describe_backends(const ServiceStatus& service) {
  std::ptrdiff_t expected = 0;
  std::string others;
  for (const BackendState state : kBackendStates) {
    const auto count = count_in_state(service, state);
    if (state != BackendState::Drained) expected += count;
    if (state == BackendState::Ready || count == 0) continue;
    others += others.empty() ? " (" : ", ";
    others += std::to_string(count) + ' ' + std::string(to_string(state));
  }
  const std::string text = std::to_string(count_in_state(service, BackendState::Ready)) + " of " +
                           std::to_string(expected) + " backends ready";
  return others.empty() ? text : text + others + ')';
}

Readiness assess_readiness(const Snapshot& snapshot) {
  Readiness result;
  std::string without;
  std::string lost;
  std::string lines;
  for (const ServiceStatus& service : snapshot.services) {
    if (service.departing) continue;
    if (service.lost_listeners > 0) lost += (lost.empty() ? "" : ", ") + service.name;
    if (!has_living_backend(service)) without += (without.empty() ? "" : ", ") + service.name;
    lines += service.name + std::string(verdict_on(service)) + describe_backends(service) + '\n';
  }
  if (snapshot.stopping)
    result.text = "not ready: stopping\n";
  else if (!lost.empty())
    result.text = "not ready: a listener is lost of " + lost + '\n';
  else if (!without.empty())
    result.text = "not ready: no living backend for " + without + '\n';
  else
    result.text = "ok\n";
  result.ready = !snapshot.stopping && without.empty() && lost.empty();
  result.text += lines;
  return result;
}

}  // namespace vipward
