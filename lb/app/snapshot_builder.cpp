#include "lb/app/snapshot_builder.h"

#include <algorithm>
#include <utility>

#include "lb/event/utc_text.h"
#include "lb/version.h"

namespace vipward {
namespace {

template <std::size_t N>
LabelledCounts zero_counts(const std::array<std::string_view, N>& labels) {
  LabelledCounts counts;
  for (const std::string_view label : labels) counts.emplace_back(label, 0);
  return counts;
}

template <std::size_t N>
void add_counts(LabelledCounts& sums, const std::array<Counter, N>& counters) {
  for (std::size_t i = 0; i < N; ++i) sums[i].second += counters[i].value();
}

// Why a backend that is drained is, and until when its sessions stay.
std::string reason_of(const Drain& drain) {
  std::string text = drain.removed ? "removed from the configuration"
                                   : "drained by the operator since " + utc_text(drain.since);
  if (drain.deadline_wall) text += ", its sessions are closed from " + utc_text(*drain.deadline_wall) + " on";
  return text;
}

void mark_drained(BackendStatus& status, const Drain& drain) {
  status.state = BackendState::Drained;
  status.since = drain.since;
  status.reason = reason_of(drain);
  status.drain = DrainStatus{.since = drain.since, .deadline = drain.deadline_wall, .removed = drain.removed};
}

// One that departs may have left its name to another address.
void tell_namesakes_apart(std::vector<BackendStatus>& backends) {
  const auto is_removed = [](const BackendStatus& backend) {
    return backend.drain && backend.drain->removed;
  };
  std::vector<BackendStatus*> unclear;
  for (BackendStatus& backend : backends) {
    const auto namesakes = std::ranges::count(backends, backend.name, &BackendStatus::name);
    if (is_removed(backend) && namesakes > 1) unclear.push_back(&backend);
  }
  for (BackendStatus* backend : unclear) backend->name += " (" + backend->address + ")";
}

BackendStatus status_of(const BackendConfig& config, const BackendHealth& health, std::uint64_t connections) {
  BackendStatus status{.name = config.name,
                       .address = config.address.to_string(),
                       .state = health.state,
                       .since = health.since_wall,
                       .reason = health.reason,
                       .connections = connections,
                       .impossible_checks = health.impossible_checks,
                       .impossible_reason = health.impossible_reason,
                       .certificate_expiry = health.certificate_expiry,
                       .clock_skew_seconds = health.clock_skew_seconds};
  if (const auto& last = health.last_check) {
    status.last_check =
        CheckStatus{.ended_at = last->ended_at,
                    .result = to_string(last->result),
                    .phase = to_string(last->phase),
                    .detail = last->detail,
                    .duration_seconds = std::chrono::duration<double>(last->duration).count()};
  }
  for (std::size_t i = 0; i < kCheckResults; ++i) {
    status.checks.emplace_back(to_string(static_cast<CheckResult>(i)), health.checks[i]);
  }
  for (std::size_t i = 0; i < kCheckPhases; ++i) {
    status.check_duration.emplace_back(to_string(static_cast<CheckPhase>(i)), health.durations[i]);
  }
  return status;
}

std::string to_string(const ListenConfig& listen) {
  return listen.address ? listen.address->to_string() : "vip:" + std::to_string(listen.port);
}

}  // namespace

SnapshotBuilder::SnapshotBuilder(const EffectiveServices& services, const std::string& config_hash,
                                 const std::vector<std::vector<BackendHealth>>& health,
                                 const Standings& standings, const ProxyLoad& load)
    : services_(services) {
  snapshot_.version = version();
  snapshot_.revision = revision();
  snapshot_.config_hash = config_hash;
  for (std::size_t i = 0; i < services.services.size(); ++i) {
    const ServiceConfig& service = services.services[i];
    ServiceStatus& status = snapshot_.services.emplace_back();
    status.name = service.name;
    status.departing = i >= services.configured_services;
    for (const ListenConfig& listen : service.listen) status.listen.push_back(to_string(listen));
    status.refuses_when_none_ready = service.when_none_ready == WhenNoneReady::Refuse;
    status.connections = load.services[i].sessions.load(std::memory_order_relaxed);
    status.connections_limit =
        service.max_connections != 0 ? std::min(service.max_connections, load.capacity) : load.capacity;
    status.closed = zero_counts(kEndReasons);
    status.rejected = zero_counts(kRejectReasons);
    for (std::size_t j = 0; j < service.backends.size(); ++j) {
      BackendStatus& backend = status.backends.emplace_back(status_of(
          service.backends[j], health[i][j], load.services[i].backends[j].load(std::memory_order_relaxed)));
      if (const auto& drain = standings.of({.service = i, .backend = j}).drain) mark_drained(backend, *drain);
    }
  }
}

void SnapshotBuilder::add_worker(const std::string& name, const WorkerCounters& counters) {
  snapshot_.loop_lag.emplace_back(name, counters.loop_lag.snapshot());
  snapshot_.spliced_bytes += counters.spliced_bytes.value();
  const bool accepting = counters.accepting.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < snapshot_.services.size(); ++i) {
    ServiceStatus& status = snapshot_.services[i];
    const ServiceCounters& service = counters.services[i];
    status.lost_listeners += service.lost_listeners.load(std::memory_order_relaxed);
    status.accepting = status.accepting && accepting && status.lost_listeners == 0;
    status.accepted += service.accepted.value();
    add_counts(status.closed, service.closed);
    add_counts(status.rejected, service.rejected);
    status.duration.merge(service.duration.snapshot());
    for (std::size_t j = 0; j < status.backends.size(); ++j) {
      BackendStatus& backend = status.backends[j];
      const BackendCounters& counted = service.backends[j];
      backend.connections_total += counted.sessions.value();
      backend.connect_failures += counted.connect_failures.value();
      backend.bytes_to_backend += counted.bytes_to_backend.value();
      backend.bytes_to_client += counted.bytes_to_client.value();
      backend.connect_duration.merge(counted.connect_duration.snapshot());
    }
  }
}

Snapshot SnapshotBuilder::finish() && {
  for (ServiceStatus& service : snapshot_.services) {
    std::erase_if(service.backends, [](const BackendStatus& backend) {
      return backend.drain && backend.drain->removed && backend.connections == 0;
    });
    tell_namesakes_apart(service.backends);
  }
  std::erase_if(snapshot_.services,
                [](const ServiceStatus& service) { return service.departing && service.connections == 0; });
  return std::move(snapshot_);
}

}  // namespace vipward
