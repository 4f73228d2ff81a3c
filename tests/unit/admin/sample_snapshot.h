// A small snapshot for the tests of what is rendered from it.
#pragma once

#include "lb/admin/snapshot.h"

namespace vipward {

inline WallTime at(std::int64_t unix_millis) {
  return WallTime(std::chrono::milliseconds(unix_millis));
}

inline HistogramSnapshot two_buckets(std::uint64_t low, std::uint64_t high, std::uint64_t beyond,
                                     double sum) {
  HistogramSnapshot histogram;
  histogram.bounds[0] = 0.1;
  histogram.bounds[1] = 1;
  histogram.bucket_count = 2;
  histogram.counts[0] = low;
  histogram.counts[1] = high;
  histogram.counts[2] = beyond;
  histogram.sum = sum;
  return histogram;
}

// A host that stands by.
inline VipStatus sample_vip() {
  return {.virtual_router_id = 100,
          .priority = 150,
          .state = "backup",
          .addresses = {"10.0.0.100/24", "10.0.0.101/24"},
          .interface = "eth0",
          .since = at(1795338000000),
          .reason = "heard 10.0.0.21 with priority 200",
          .last_transition = at(1795338000250),
          .peer = "10.0.0.21",
          .peer_heard_at = at(1795338751400),
          .contested = true,
          .warning = "10.0.0.21 and 10.0.0.23 both advertise",
          .transitions = {{"init", 0}, {"backup", 2}, {"active", 1}, {"fault", 0}},
          .advertisements = {{"sent", 70}, {"received", 4000}},
          .rejected = {{"ttl", 3}, {"unknown_source", 1}},
          .restored = 5,
          .conflicts = 6,
          .announcements = {{"garp_request", 8}, {"garp_reply", 9}, {"unsolicited_na", 10}}};
}

// One service with one ready and one dead backend, about 2026-11-22T09:12:31Z.
inline Snapshot sample_snapshot() {
  BackendStatus ready;
  ready.name = "master-1";
  ready.address = "10.0.0.11:6443";
  ready.state = BackendState::Ready;
  ready.since = at(1795338000000);
  ready.reason = "2 checks in a row ready";
  ready.connections = 3;
  ready.connections_total = 40;
  ready.bytes_to_backend = 1234567890123;
  ready.bytes_to_client = 17;
  ready.connect_duration = two_buckets(38, 1, 1, 2.5);
  ready.last_check = CheckStatus{.ended_at = at(1795338750500),
                                 .result = "ready",
                                 .phase = "response",
                                 .detail = "/readyz: 200",
                                 .duration_seconds = 0.004};
  ready.checks = {{"ready", 700}, {"not_ready", 0}, {"no_answer", 0}};
  ready.check_duration = {{"connect", two_buckets(700, 0, 0, 0.7)}};
  ready.certificate_expiry = at(1826874751000);
  ready.clock_skew_seconds = -0.25;

  BackendStatus dead;
  dead.name = "master-2";
  dead.address = "10.0.0.12:6443";
  dead.state = BackendState::Dead;
  dead.since = at(1795338751123);
  dead.reason = "connect: refused";
  dead.connect_failures = 2;
  dead.connect_duration = two_buckets(0, 0, 0, 0);
  dead.checks = {{"ready", 0}, {"not_ready", 0}, {"no_answer", 3}};
  dead.impossible_checks = 4;
  dead.impossible_reason = "Too many open files";

  ServiceStatus service;
  service.name = "kube-apiserver";
  service.listen = {"10.0.0.100:6443"};
  service.connections = 3;
  service.connections_limit = 15000;
  service.accepted = 43;
  service.closed = {{"client_closed", 38}, {"backend_closed", 0}};
  service.rejected = {{"limit", 0}};
  service.duration = two_buckets(1, 2, 35, 4000.5);
  service.backends = {ready, dead};

  Snapshot snapshot;
  snapshot.version = "0.1.0";
  snapshot.revision = "abc1234";
  snapshot.config_hash = "0123456789abcdef";
  snapshot.config_loaded_at = at(1795335151250);
  snapshot.started_at = at(1795335151000);
  snapshot.log_lines_dropped = 5;
  snapshot.spliced_bytes = 1048576;
  snapshot.loop_lag = {{"control", two_buckets(100, 0, 0, 0.05)}};
  snapshot.services = {service};
  return snapshot;
}

}  // namespace vipward
