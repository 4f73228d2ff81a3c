// One good message of every kind of a handover, as full as it gets in practice, for its tests.
#pragma once

#include <fcntl.h>

#include <string>
#include <vector>

#include "lb/handover/codec.h"

namespace vipward::handover_test {

using namespace std::chrono_literals;

inline Fd some_fd() {
  return Fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

inline std::vector<Fd> some_fds(std::size_t count) {
  std::vector<Fd> fds(count);
  for (Fd& fd : fds) fd = some_fd();
  return fds;
}

inline HistogramSnapshot some_durations() {
  Histogram histogram(kConnectBounds);
  histogram.observe(3ms);
  return histogram.snapshot();
}

inline handover::KnownBackend known_backend(const std::string& text) {
  BackendMemory memory;
  memory.checks_identity = 0xFEDCBA9876543210;
  memory.state = BackendState::Dead;
  memory.dead_cause = DeadCause::Silent;
  memory.since = TimePoint(90'000s);
  memory.ready_row = 1;
  memory.no_answer_row = 2;
  memory.failing_row = 3;
  memory.may_be_our_path = true;
  memory.since_wall = std::chrono::system_clock::time_point(1'795'338'751s);
  memory.reason = text;
  memory.last_check = LastCheck{.ended_at = memory.since_wall + 1s,
                                .result = CheckResult::NoAnswer,
                                .phase = CheckPhase::Tls,
                                .detail = text,
                                .duration = 2s};
  memory.certificate_expiry = memory.since_wall + 24h;
  memory.clock_skew_seconds = -0.25;
  return {.service = 1,
          .backend = 2,
          .service_name = "kube-apiserver",
          .name = "master-1",
          .address = "10.0.0.11:6443",
          .memory = memory};
}

inline handover::Counts some_counts() {
  handover::Counts counts;
  counts.services.push_back({.service = "kube-apiserver",
                             .accepted = 7,
                             .closed = {{"client_closed", 3}, {"stopping", 1}},
                             .rejected = {{"limit", 2}},
                             .duration = some_durations()});
  counts.backends.push_back({.service = "kube-apiserver",
                             .backend = "master-1",
                             .sessions = 4,
                             .connect_failures = 1,
                             .bytes_to_backend = 1'000'000'000'000,
                             .bytes_to_client = 2,
                             .connect_duration = some_durations(),
                             .checks = {{"ready", 9}},
                             .impossible_checks = 1,
                             .check_duration = {{"tls", some_durations()}}});
  counts.process =
      handover::ProcessCounts{.loop_lag = {{"control", some_durations()}}, .log_lines_dropped = 5};
  return counts;
}

inline handover::SessionState relaying_session() {
  handover::SessionState session;
  session.service = 1;
  session.backend = 2;
  session.is_relaying = true;
  session.client = some_fd();
  session.backend_socket = some_fd();
  session.client_address = "[fd00::7]:51514";
  session.own_address = "10.0.0.21:40188";
  session.attempt_error = 111;
  session.plan_deadline_ns = 91'000'000'000;
  session.tried = {0, 2};
  session.to_backend = {.bytes = 5, .unsent_bytes = 6, .opening_bytes = 7, .opening_limit = 8};
  session.to_client = {.bytes = 9,
                       .unsent_bytes = 10,
                       .opening_bytes = 0,
                       .opening_limit = 0,
                       .holds_empty_end = true,
                       .source_ended = true};
  session.client_finished_first = true;
  session.first_data_limit_ns = 6;
  session.idle_limit_ns = 7;
  session.half_close_limit_ns = 8;
  session.accepted_at_ns = 1;
  session.attempt_started_at_ns = 2;
  session.established_at_ns = 3;
  session.last_activity_at_ns = 4;
  session.detached_at_ns = 5;
  return session;
}

inline handover::SessionState waiting_session() {
  handover::SessionState session;
  session.client = some_fd();
  session.client_address = "10.0.0.7:51514";
  session.own_address = "0.0.0.0:0";
  session.accepted_at_ns = 1;
  session.detached_at_ns = 5;
  return session;
}

inline std::vector<handover::ToSuccessor> messages_to_successor() {
  std::vector<handover::ToSuccessor> messages;
  messages.emplace_back(handover::Backends{.backends = {known_backend("GET /readyz: 500"), {}}});
  messages.emplace_back(some_counts());
  messages.emplace_back(handover::Known{.sessions = 5000});
  handover::Sessions sessions{.batch = 3, .sessions = {}};
  sessions.sessions.push_back(relaying_session());
  sessions.sessions.push_back(waiting_session());
  messages.emplace_back(std::move(sessions));
  messages.emplace_back(handover::Bytes{.batch = 3,
                                        .session = 1,
                                        .of = handover::BytesOf::ToClientUnsent,
                                        .chunk = {std::byte{0}, std::byte{255}}});
  messages.emplace_back(handover::BatchEnd{.batch = 3});
  messages.emplace_back(handover::Yours{.batch = 3});
  messages.emplace_back(handover::End{});
  return messages;
}

inline std::vector<handover::ToPredecessor> messages_to_predecessor() {
  return {handover::Taken{.batch = 3}, handover::Refused{.batch = 4}};
}

}  // namespace vipward::handover_test
