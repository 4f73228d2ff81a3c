#include "lb/handover/codec.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <type_traits>

#include "lb/channel/wire.h"

namespace vipward::handover {
namespace {

namespace wire = channel::wire;

constexpr wire::Prologue kPrologue{.magic = 0xB8, .version = 2};

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kLongestLabel = 32;
constexpr std::size_t kMostLabels = 32;
constexpr std::size_t kMostPhases = 8;
constexpr std::size_t kMostLoops = 16;
// The limits of the configuration, and as many that it no longer names.
constexpr std::uint32_t kMostServices = 512;
constexpr std::uint32_t kMostBackends = 512;
constexpr std::uint32_t kLongestOpening = 64 * 1024;
constexpr int kLongestRow = 1'000'000;
// Far from where a limit that is added could overflow.
constexpr std::int64_t kLastNs = std::numeric_limits<std::int64_t>::max() / 4;

}  // namespace

using wire::Ref;

template <class A, class Time>
void describe_time(A& a, Time& time) {
  std::int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  a.number(ns, std::int64_t{0}, kLastNs);
  if constexpr (!std::is_const_v<Time>) {
    time = Time(std::chrono::duration_cast<typename Time::duration>(std::chrono::nanoseconds(ns)));
  }
}

template <class A, class Ns>
void describe_ns(A& a, Ns& ns) {
  a.number(ns, std::int64_t{0}, kLastNs);
}

template <class A>
void describe(A& a, Ref<A, LastCheck> m) {
  describe_time(a, m.ended_at);
  a.choice(m.result, kCheckResults);
  a.choice(m.phase, kCheckPhases);
  a.text(m.detail, channel::kLongestText);
  std::int64_t ns = m.duration.count();
  describe_ns(a, ns);
  if constexpr (!std::is_const_v<std::remove_reference_t<Ref<A, LastCheck>>>)
    m.duration = std::chrono::nanoseconds(ns);
}

template <class A>
void describe(A& a, Ref<A, BackendMemory> m) {
  a.number(m.checks_identity);
  a.choice(m.state, kBackendStates.size());
  a.refuse_unless(m.state != BackendState::Drained);  // no result of checks
  a.choice(m.dead_cause, 3);
  describe_time(a, m.since);
  a.number(m.ready_row, 0, kLongestRow);
  a.number(m.no_answer_row, 0, kLongestRow);
  a.number(m.failing_row, 0, kLongestRow);
  a.flag(m.may_be_our_path);
  describe_time(a, m.since_wall);
  a.text(m.reason, channel::kLongestText);
  a.maybe(m.last_check, [&](Ref<A, LastCheck> check) { describe(a, check); });
  a.maybe(m.certificate_expiry, [&](auto& expiry) { describe_time(a, expiry); });
  a.maybe(m.clock_skew_seconds, [&](auto& skew) {
    a.number(skew);
    a.refuse_unless(std::isfinite(skew));
  });
}

template <class A>
void describe(A& a, Ref<A, Backends> m) {
  a.list(m.backends, Backends::kMost, [&](Ref<A, KnownBackend> known) {
    a.number(known.service, 0U, kMostServices - 1);
    a.number(known.backend, 0U, kMostBackends - 1);
    a.text(known.service_name, kLongestName);
    a.text(known.name, kLongestName);
    a.text(known.address, kLongestName);
    describe(a, known.memory);
  });
}

template <class A, class Counted>
void describe_counts(A& a, Counted& counts) {
  a.list(counts, kMostLabels, [&](Ref<A, LabelledCount> count) {
    a.text(count.label, kLongestLabel);
    a.number(count.count);
  });
}

template <class A, class Measured>
void describe_durations(A& a, Measured& all, std::size_t most) {
  a.list(all, most, [&](Ref<A, LabelledDurations> labelled) {
    a.text(labelled.label, kLongestLabel);
    wire::describe_histogram(a, labelled.durations);
  });
}

template <class A>
void describe(A& a, Ref<A, ServiceCounts> m) {
  a.text(m.service, kLongestName);
  a.number(m.accepted);
  describe_counts(a, m.closed);
  describe_counts(a, m.rejected);
  wire::describe_histogram(a, m.duration);
}

template <class A>
void describe(A& a, Ref<A, BackendCounts> m) {
  a.text(m.service, kLongestName);
  a.text(m.backend, kLongestName);
  a.number(m.sessions);
  a.number(m.connect_failures);
  a.number(m.bytes_to_backend);
  a.number(m.bytes_to_client);
  wire::describe_histogram(a, m.connect_duration);
  describe_counts(a, m.checks);
  a.number(m.impossible_checks);
  describe_durations(a, m.check_duration, kMostPhases);
}

template <class A>
void describe(A& a, Ref<A, ProcessCounts> m) {
  describe_durations(a, m.loop_lag, kMostLoops);
  a.number(m.log_lines_dropped);
}

template <class A>
void describe(A& a, Ref<A, Counts> m) {
  a.list(m.services, Counts::kMost, [&](Ref<A, ServiceCounts> counts) { describe(a, counts); });
  a.list(m.backends, Counts::kMost, [&](Ref<A, BackendCounts> counts) { describe(a, counts); });
  a.maybe(m.process, [&](Ref<A, ProcessCounts> counts) { describe(a, counts); });
  // Version 2 began without it.
  if (m.process) a.later(m.process->spliced_bytes);
}

template <class A>
void describe(A& a, Ref<A, RelayState> m) {
  a.number(m.bytes);
  a.number(m.unsent_bytes, 0U, static_cast<std::uint32_t>(kLongestHeld));
  a.number(m.opening_bytes, 0U, kLongestOpening);
  a.number(m.opening_limit, 0U, kLongestOpening);
  a.flag(m.holds_empty_end);
  a.flag(m.source_ended);
  a.flag(m.finished);
}

template <class A>
void describe(A& a, Ref<A, SessionState> m) {
  a.number(m.service, 0U, kMostServices - 1);
  a.maybe(m.backend, [&](auto& backend) { a.number(backend, 0U, kMostBackends - 1); });
  a.flag(m.is_relaying);
  a.descriptor(m.client);
  if (m.is_relaying) a.descriptor(m.backend_socket);
  a.text(m.client_address, kLongestName);
  a.text(m.own_address, kLongestName);
  a.number(m.attempt_error);
  describe_ns(a, m.plan_deadline_ns);
  a.list(m.tried, 255, [&](auto& backend) {
    a.number(backend, std::uint16_t{0}, static_cast<std::uint16_t>(kMostBackends - 1));
  });
  describe(a, m.to_backend);
  describe(a, m.to_client);
  a.flag(m.client_finished_first);
  describe_ns(a, m.first_data_limit_ns);
  describe_ns(a, m.idle_limit_ns);
  describe_ns(a, m.half_close_limit_ns);
  describe_ns(a, m.accepted_at_ns);
  describe_ns(a, m.attempt_started_at_ns);
  describe_ns(a, m.established_at_ns);
  describe_ns(a, m.last_activity_at_ns);
  describe_ns(a, m.detached_at_ns);
}

template <class A>
void describe(A& a, Ref<A, Sessions> m) {
  a.number(m.batch);
  a.list(m.sessions, Sessions::kMost, [&](Ref<A, SessionState> session) { describe(a, session); });
  std::size_t held = 0;
  for (const SessionState& session : m.sessions)
    held +=
        session.to_backend.unsent_bytes + session.to_backend.opening_bytes + session.to_client.unsent_bytes;
  a.refuse_unless(held <= kLongestBatch);
}

template <class A>
void describe(A& a, Ref<A, Bytes> m) {
  a.number(m.batch);
  a.number(m.session, 0U, static_cast<std::uint32_t>(Sessions::kMost - 1));
  a.choice(m.of, kBytesOf);
  a.bytes(m.chunk, Bytes::kMost);
}

template <class A>
void describe(A& a, Ref<A, BatchEnd> m) {
  a.number(m.batch);
}
template <class A>
void describe(A& a, Ref<A, Yours> m) {
  a.number(m.batch);
}
template <class A>
void describe(A& a, Ref<A, Taken> m) {
  a.number(m.batch);
}
template <class A>
void describe(A& a, Ref<A, Refused> m) {
  a.number(m.batch);
}
template <class A>
void describe(A& a, Ref<A, Known> m) {
  a.number(m.sessions);
}
template <class A>
void describe(A& /*a*/, Ref<A, End> /*m*/) {}

Packet encode(const ToSuccessor& message) {
  return wire::encode_any(kPrologue, message);
}

Packet encode(const ToPredecessor& message) {
  return wire::encode_any(kPrologue, message);
}

std::optional<ToSuccessor> decode_to_successor(std::span<const std::uint8_t> bytes,
                                               std::vector<Fd> descriptors) {
  return wire::decode_variant<ToSuccessor>(kPrologue, bytes, descriptors);
}

std::optional<ToPredecessor> decode_to_predecessor(std::span<const std::uint8_t> bytes,
                                                   std::vector<Fd> descriptors) {
  return wire::decode_variant<ToPredecessor>(kPrologue, bytes, descriptors);
}

}  // namespace vipward::handover
