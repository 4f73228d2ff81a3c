#include "lb/admin/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

namespace vipward {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Source {
  const Snapshot& snapshot;
  const ProcessStats& process;
};

struct Label {
  std::string_view name;
  std::string_view value;
};

// Collects the samples of one metric.
class Samples {
 public:
  explicit Samples(MetricFamily& family) : family_(family) {}

  void add(std::initializer_list<Label> labels, double value) {
    ClientMetric& metric = start(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
  }
  void add(std::initializer_list<Label> labels, std::uint64_t value) {
    add(labels, static_cast<double>(value));
  }
  void add(std::initializer_list<Label> labels, WallTime value) {
    add(labels, std::chrono::duration<double>(value.time_since_epoch()).count());
  }
  void add(std::initializer_list<Label> labels, const HistogramSnapshot& value) {
    ClientMetric::Histogram& histogram = start(labels).histogram;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < value.bucket_count; ++i) {
      cumulative += value.counts[i];
      histogram.bucket.push_back({.cumulative_count = cumulative, .upper_bound = value.bounds[i]});
    }
    histogram.sample_count = cumulative + value.counts[value.bucket_count];
    histogram.sample_sum = value.sum;
  }

 private:
  ClientMetric& start(std::initializer_list<Label> labels) {
    ClientMetric& metric = family_.metric.emplace_back();
    for (const Label& label : labels)
      metric.label.push_back({.name = std::string(label.name), .value = std::string(label.value)});
    return metric;
  }

  MetricFamily& family_;
};

// How the rows of the table get their samples.

template <auto kMember>
void of_process(const Source& source, Samples& samples) {
  samples.add({}, source.process.*kMember);
}

template <auto kMember>
void of_snapshot(const Source& source, Samples& samples) {
  samples.add({}, source.snapshot.*kMember);
}

template <auto kMember>
void per_service(const Source& source, Samples& samples) {
  for (const ServiceStatus& service : source.snapshot.services)
    samples.add({{"service", service.name}}, service.*kMember);
}

template <auto kMember>
void per_reason(const Source& source, Samples& samples) {
  for (const ServiceStatus& service : source.snapshot.services)
    for (const auto& [reason, count] : service.*kMember)
      samples.add({{"service", service.name}, {"reason", reason}}, count);
}

template <class Visit>
void each_backend(const Source& source, Visit visit) {
  for (const ServiceStatus& service : source.snapshot.services)
    for (const BackendStatus& backend : service.backends) visit(service.name, backend);
}

template <auto kMember>
void per_backend(const Source& source, Samples& samples) {
  each_backend(source, [&](const std::string& service, const BackendStatus& backend) {
    samples.add({{"service", service}, {"backend", backend.name}}, backend.*kMember);
  });
}

template <auto kMember>
void per_backend_if_known(const Source& source, Samples& samples) {
  each_backend(source, [&](const std::string& service, const BackendStatus& backend) {
    if (backend.*kMember) samples.add({{"service", service}, {"backend", backend.name}}, *(backend.*kMember));
  });
}

void relayed_bytes(const Source& source, Samples& samples) {
  each_backend(source, [&](const std::string& service, const BackendStatus& backend) {
    const auto add = [&](std::string_view direction, std::uint64_t bytes) {
      samples.add({{"service", service}, {"backend", backend.name}, {"direction", direction}}, bytes);
    };
    add("to_backend", backend.bytes_to_backend);
    add("to_client", backend.bytes_to_client);
  });
}

void backend_state(const Source& source, Samples& samples) {
  each_backend(source, [&](const std::string& service, const BackendStatus& backend) {
    for (const BackendState state : kBackendStates)
      samples.add({{"service", service}, {"backend", backend.name}, {"state", to_string(state)}},
                  state == backend.state ? 1.0 : 0.0);
  });
}

void health_checks(const Source& source, Samples& samples) {
  each_backend(source, [&](const std::string& service, const BackendStatus& backend) {
    for (const auto& [result, count] : backend.checks)
      samples.add({{"service", service}, {"backend", backend.name}, {"result", result}}, count);
  });
}

void health_check_duration(const Source& source, Samples& samples) {
  each_backend(source, [&](const std::string& service, const BackendStatus& backend) {
    for (const auto& [phase, histogram] : backend.check_duration)
      samples.add({{"service", service}, {"backend", backend.name}, {"phase", phase}}, histogram);
  });
}

void build_info(const Source& source, Samples& samples) {
  samples.add({{"version", source.snapshot.version}, {"revision", source.snapshot.revision}}, 1.0);
}

void config_info(const Source& source, Samples& samples) {
  samples.add({{"hash", source.snapshot.config_hash}}, 1.0);
}

void reload_successful(const Source& source, Samples& samples) {
  samples.add({}, source.snapshot.last_reload_successful ? 1.0 : 0.0);
}

void loop_lag(const Source& source, Samples& samples) {
  for (const auto& [loop, histogram] : source.snapshot.loop_lag) samples.add({{"loop", loop}}, histogram);
}

// The rows of the VIP: none without one.
template <auto kMember>
void of_vip(const Source& source, Samples& samples) {
  if (const auto& vip = source.snapshot.vip)
    samples.add({{"vrid", std::to_string(vip->virtual_router_id)}}, std::uint64_t{(*vip).*kMember});
}

constexpr char kTo[] = "to";
constexpr char kDirection[] = "direction";
constexpr char kReason[] = "reason";
constexpr char kKind[] = "kind";

template <auto kMember, const char* kLabel>
void of_vip_by(const Source& source, Samples& samples) {
  const auto& vip = source.snapshot.vip;
  if (!vip) return;
  const std::string vrid = std::to_string(vip->virtual_router_id);
  for (const auto& [value, count] : (*vip).*kMember) samples.add({{"vrid", vrid}, {kLabel, value}}, count);
}

void vip_state(const Source& source, Samples& samples) {
  const auto& vip = source.snapshot.vip;
  if (!vip) return;
  const std::string vrid = std::to_string(vip->virtual_router_id);
  for (const auto& [state, count] : vip->transitions)
    samples.add({{"vrid", vrid}, {"state", state}}, state == vip->state ? 1.0 : 0.0);
}

void vip_last_transition(const Source& source, Samples& samples) {
  if (const auto& vip = source.snapshot.vip; vip && vip->last_transition != WallTime{})
    samples.add({{"vrid", std::to_string(vip->virtual_router_id)}}, vip->last_transition);
}

struct Metric {
  const char* name;
  MetricType type;
  void (*fill)(const Source&, Samples&);
  const char* help;
};

using enum MetricType;
// clang-format off
constexpr std::array kMetrics{
  Metric{"vipward_build_info", Gauge, build_info, "Always 1; the labels say what runs."},
  Metric{"vipward_config_info", Gauge, config_info, "Always 1; the hash is that of the configuration file in use."},
  Metric{"vipward_config_last_reload_successful", Gauge, reload_successful, "1 if the last reload or upgrade succeeded, or there was none."},
  Metric{"vipward_config_last_reload_success_timestamp_seconds", Gauge, of_snapshot<&Snapshot::config_loaded_at>, "When the configuration in use was loaded."},
  Metric{"vipward_generation", Gauge, of_snapshot<&Snapshot::generation>, "Number of this life of the proxy; a reload starts the next."},
  Metric{"vipward_connections_active", Gauge, per_service<&ServiceStatus::connections>, "Client connections now."},
  Metric{"vipward_connections_accepted_total", Counter, per_service<&ServiceStatus::accepted>, "Client connections accepted."},
  Metric{"vipward_connections_closed_total", Counter, per_reason<&ServiceStatus::closed>, "Client connections ended, by the reason of the end."},
  Metric{"vipward_connections_rejected_total", Counter, per_reason<&ServiceStatus::rejected>, "Client connections reset without being served, by reason."},
  Metric{"vipward_connections_limit", Gauge, per_service<&ServiceStatus::connections_limit>, "Client connections that may exist at once."},
  Metric{"vipward_connection_duration_seconds", Histogram, per_service<&ServiceStatus::duration>, "How long client connections lasted."},
  Metric{"vipward_relayed_bytes_total", Counter, relayed_bytes, "Bytes relayed, by direction."},
  Metric{"vipward_spliced_bytes_total", Counter, of_snapshot<&Snapshot::spliced_bytes>, "Relayed bytes that were moved by splice(2), without a copy."},
  Metric{"vipward_connect_duration_seconds", Histogram, per_backend<&BackendStatus::connect_duration>, "How long connecting to the backend took, where it succeeded."},
  Metric{"vipward_connect_failures_total", Counter, per_backend<&BackendStatus::connect_failures>, "Attempts to connect a session to the backend that failed."},
  Metric{"vipward_backend_connections", Gauge, per_backend<&BackendStatus::connections>, "Sessions on the backend now, attempts to connect included."},
  Metric{"vipward_backend_connections_total", Counter, per_backend<&BackendStatus::connections_total>, "Sessions established with the backend."},
  Metric{"vipward_backend_state", Gauge, backend_state, "1 for the state the backend is in, 0 for the others."},
  Metric{"vipward_health_checks_total", Counter, health_checks, "Health checks ended, by result."},
  Metric{"vipward_health_checks_impossible_total", Counter, per_backend<&BackendStatus::impossible_checks>, "Health checks not made, for a fault of this host: no descriptors, no usable CA."},
  Metric{"vipward_health_check_duration_seconds", Histogram, health_check_duration, "How long each phase of the health checks took."},
  Metric{"vipward_backend_certificate_expiry_timestamp_seconds", Gauge, per_backend_if_known<&BackendStatus::certificate_expiry>, "When the backend's serving certificate expires."},
  Metric{"vipward_backend_clock_skew_seconds", Gauge, per_backend_if_known<&BackendStatus::clock_skew_seconds>, "The backend's clock minus ours, by its Date header."},
  Metric{"vipward_loop_lag_seconds", Histogram, loop_lag, "How late a periodic timer of the event loop fired."},
  Metric{"vipward_proxy_restarts_total", Counter, of_snapshot<&Snapshot::proxy_restarts>, "Times the guardian started the proxy again because it had died or stalled."},
  Metric{"vipward_vip_state", Gauge, vip_state, "1 for the VRRP state this host is in, 0 for the others."},
  Metric{"vipward_vip_transitions_total", Counter, of_vip_by<&VipStatus::transitions, kTo>, "VRRP state transitions, by the state entered."},
  Metric{"vipward_vip_last_transition_timestamp_seconds", Gauge, vip_last_transition, "When the VRRP state changed last."},
  Metric{"vipward_vip_priority", Gauge, of_vip<&VipStatus::priority>, "The VRRP priority of this host."},
  Metric{"vipward_vip_contested", Gauge, of_vip<&VipStatus::contested>, "1 while another host claims the virtual address too."},
  Metric{"vipward_vrrp_advertisements_total", Counter, of_vip_by<&VipStatus::advertisements, kDirection>, "VRRP advertisements, by direction."},
  Metric{"vipward_vrrp_packets_rejected_total", Counter, of_vip_by<&VipStatus::rejected, kReason>, "VRRP packets that were not accepted, by reason."},
  Metric{"vipward_vip_restored_total", Counter, of_vip<&VipStatus::restored>, "Times a virtual address was put back that somebody had removed."},
  Metric{"vipward_vip_conflicts_total", Counter, of_vip<&VipStatus::conflicts>, "Packets and frames of another holder of the virtual addresses."},
  Metric{"vipward_vip_announcements_total", Counter, of_vip_by<&VipStatus::announcements, kKind>, "Announcements of the virtual addresses to their neighbours, by kind."},
  Metric{"vipward_log_lines_dropped_total", Counter, of_snapshot<&Snapshot::log_lines_dropped>, "Log lines dropped because they could not be written in time."},
  Metric{"process_open_fds", Gauge, of_process<&ProcessStats::open_fds>, "Open file descriptors."},
  Metric{"process_max_fds", Gauge, of_process<&ProcessStats::max_fds>, "Limit of open file descriptors."},
  Metric{"process_resident_memory_bytes", Gauge, of_process<&ProcessStats::resident_memory_bytes>, "Resident memory."},
  Metric{"process_virtual_memory_bytes", Gauge, of_process<&ProcessStats::virtual_memory_bytes>, "Virtual memory."},
  Metric{"process_cpu_seconds_total", Counter, of_process<&ProcessStats::cpu_seconds>, "CPU time used, user and system."},
  Metric{"process_start_time_seconds", Gauge, of_snapshot<&Snapshot::started_at>, "When the process started."},
};
// clang-format on

}  // namespace

std::string render_metrics(const Snapshot& snapshot, const ProcessStats& process) {
  const Source source{snapshot, process};
  std::vector<MetricFamily> families;
  families.reserve(kMetrics.size());
  for (const Metric& metric : kMetrics) {
    MetricFamily family{.name = metric.name, .help = metric.help, .type = metric.type, .metric = {}};
    Samples samples(family);
    metric.fill(source, samples);
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace vipward
