#include "lb/app/inherited_counts.h"

#include <algorithm>

namespace vipward {
namespace {

using handover::BackendCounts;
using handover::Counts;
using handover::LabelledCount;
using handover::LabelledDurations;
using handover::ServiceCounts;

std::vector<LabelledCount> labelled(const LabelledCounts& counts) {
  std::vector<LabelledCount> result;
  for (const auto& [label, count] : counts) result.push_back({.label = std::string(label), .count = count});
  return result;
}

template <class Label>
std::vector<LabelledDurations> labelled(const std::vector<std::pair<Label, HistogramSnapshot>>& all) {
  std::vector<LabelledDurations> result;
  for (const auto& [label, durations] : all)
    result.push_back({.label = std::string(label), .durations = durations});
  return result;
}

void add(LabelledCounts& sums, const std::vector<LabelledCount>& counts) {
  for (auto& [label, sum] : sums) {
    const auto found = std::ranges::find(counts, label, &LabelledCount::label);
    if (found != counts.end()) sum += found->count;
  }
}

// Another version may count in other buckets: those cannot be added.
void add(HistogramSnapshot& sum, const HistogramSnapshot& durations) {
  const bool same = sum.bucket_count == durations.bucket_count && sum.bounds == durations.bounds;
  if (same || sum.bucket_count == 0) sum.merge(durations);
}

template <class Label>
void add(std::vector<std::pair<Label, HistogramSnapshot>>& sums, const std::vector<LabelledDurations>& all) {
  for (auto& [label, sum] : sums) {
    const auto found = std::ranges::find(all, label, &LabelledDurations::label);
    if (found != all.end()) add(sum, found->durations);
  }
}

BackendCounts counts_of(const std::string& service, const BackendStatus& backend) {
  return {.service = service,
          .backend = backend.name,
          .sessions = backend.connections_total,
          .connect_failures = backend.connect_failures,
          .bytes_to_backend = backend.bytes_to_backend,
          .bytes_to_client = backend.bytes_to_client,
          .connect_duration = backend.connect_duration,
          .checks = labelled(backend.checks),
          .impossible_checks = backend.impossible_checks,
          .check_duration = labelled(backend.check_duration)};
}

void add(BackendStatus& status, const BackendCounts& counts) {
  status.connections_total += counts.sessions;
  status.connect_failures += counts.connect_failures;
  status.bytes_to_backend += counts.bytes_to_backend;
  status.bytes_to_client += counts.bytes_to_client;
  add(status.connect_duration, counts.connect_duration);
  add(status.checks, counts.checks);
  status.impossible_checks += counts.impossible_checks;
  add(status.check_duration, counts.check_duration);
}

}  // namespace

std::vector<Counts> counts_of(const Snapshot& snapshot) {
  std::vector<Counts> parts(1);
  parts.front().process.emplace(handover::ProcessCounts{.loop_lag = labelled(snapshot.loop_lag),
                                                        .log_lines_dropped = snapshot.log_lines_dropped,
                                                        .spliced_bytes = snapshot.spliced_bytes});
  const auto part_with_room = [&]() -> Counts& {
    const Counts& last = parts.back();
    const bool full = std::max(last.services.size(), last.backends.size()) >= Counts::kMost;
    return full ? parts.emplace_back() : parts.back();
  };
  for (const ServiceStatus& service : snapshot.services) {
    part_with_room().services.push_back({.service = service.name,
                                         .accepted = service.accepted,
                                         .closed = labelled(service.closed),
                                         .rejected = labelled(service.rejected),
                                         .duration = service.duration});
    for (const BackendStatus& backend : service.backends)
      part_with_room().backends.push_back(counts_of(service.name, backend));
  }
  return parts;
}

void InheritedCounts::take(Counts part) {
  for (ServiceCounts& service : part.services) {
    std::string name = service.service;
    services_.insert_or_assign(std::move(name), std::move(service));
  }
  for (BackendCounts& backend : part.backends) {
    std::pair name(backend.service, backend.backend);
    backends_.insert_or_assign(std::move(name), std::move(backend));
  }
  if (part.process) process_ = std::move(*part.process);
}

void InheritedCounts::add_to(Snapshot& snapshot) const {
  add(snapshot.loop_lag, process_.loop_lag);
  snapshot.log_lines_dropped += process_.log_lines_dropped;
  snapshot.spliced_bytes += process_.spliced_bytes;
  for (ServiceStatus& service : snapshot.services) {
    if (const auto found = services_.find(service.name); found != services_.end()) {
      service.accepted += found->second.accepted;
      add(service.closed, found->second.closed);
      add(service.rejected, found->second.rejected);
      add(service.duration, found->second.duration);
    }
    for (BackendStatus& backend : service.backends) {
      const auto found = backends_.find({service.name, backend.name});
      if (found != backends_.end()) add(backend, found->second);
    }
  }
}

}  // namespace vipward
