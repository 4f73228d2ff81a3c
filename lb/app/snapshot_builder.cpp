#include "lb/app/snapshot_builder.h"

#include <algorithm>
#include <utility>

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

SnapshotBuilder::SnapshotBuilder(const Config& config, const std::vector<std::vector<BackendHealth>>& health,
                                 const ProxyLoad& load) {
  snapshot_.version = version();
  snapshot_.revision = revision();
  snapshot_.config_hash = config.hash;
  for (std::size_t i = 0; i < config.services.size(); ++i) {
    const ServiceConfig& service = config.services[i];
    ServiceStatus& status = snapshot_.services.emplace_back();
    status.name = service.name;
    for (const ListenConfig& listen : service.listen) status.listen.push_back(to_string(listen));
    status.refuses_when_none_ready = service.when_none_ready == WhenNoneReady::Refuse;
    status.connections = load.services[i].sessions.load(std::memory_order_relaxed);
    status.connections_limit =
        service.max_connections != 0 ? std::min(service.max_connections, load.capacity) : load.capacity;
    status.closed = zero_counts(kEndReasons);
    status.rejected = zero_counts(kRejectReasons);
    for (std::size_t j = 0; j < service.backends.size(); ++j) {
      status.backends.push_back(status_of(service.backends[j], health[i][j],
                                          load.services[i].backends[j].load(std::memory_order_relaxed)));
    }
  }
}

void SnapshotBuilder::add_worker(const std::string& name, const WorkerCounters& counters) {
  snapshot_.loop_lag.emplace_back(name, counters.loop_lag.snapshot());
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
  return std::move(snapshot_);
}

}  // namespace vipward
