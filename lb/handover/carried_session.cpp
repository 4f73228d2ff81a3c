#include "lb/handover/carried_session.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vipward::handover {
namespace {

std::int64_t nanoseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

std::int64_t nanoseconds(TimePoint time) {
  return nanoseconds(time.time_since_epoch());
}

TimePoint time_of(std::int64_t nanoseconds) {
  return TimePoint(std::chrono::nanoseconds(nanoseconds));
}

RelayState described(const Relay::State& relay) {
  return {.bytes = relay.bytes,
          .unsent_bytes = static_cast<std::uint32_t>(relay.unsent.size()),
          .opening_bytes = static_cast<std::uint32_t>(relay.opening.size()),
          .opening_limit = relay.opening_limit,
          .holds_empty_end = relay.holds_empty_end,
          .source_ended = relay.source_ended,
          .finished = relay.finished};
}

// Nullopt: not all of its bytes are there, or too many.
std::optional<Relay> relay_of(const RelayState& state, std::vector<std::byte> unsent,
                              std::vector<std::byte> opening) {
  const bool is_whole = unsent.size() == state.unsent_bytes && opening.size() == state.opening_bytes &&
                        opening.size() <= state.opening_limit &&
                        (!state.finished || (state.source_ended && unsent.empty()));
  if (!is_whole) return std::nullopt;
  return Relay::restored({.unsent = std::move(unsent),
                          .opening = std::move(opening),
                          .bytes = state.bytes,
                          .opening_limit = state.opening_limit,
                          .holds_empty_end = state.holds_empty_end,
                          .source_ended = state.source_ended,
                          .finished = state.finished});
}

void cut(std::deque<Bytes>& into, const Bytes& head, const std::vector<std::byte>& bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += Bytes::kMost) {
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto size = static_cast<std::ptrdiff_t>(std::min(Bytes::kMost, bytes.size() - at));
    Bytes& part = into.emplace_back(head);
    part.chunk.assign(begin, begin + size);
  }
}

}  // namespace

SessionState lend(SessionRecord& record) {
  SessionState state;
  state.service = static_cast<std::uint32_t>(record.service);
  if (record.backend) state.backend = static_cast<std::uint32_t>(*record.backend);
  state.is_relaying = record.phase == SessionPhase::Relaying;
  state.client = std::move(record.client);
  state.backend_socket = std::move(record.backend_socket);
  state.client_address = record.client_address.to_string();
  state.own_address = record.own_address.to_string();
  state.attempt_error = record.attempt_error;
  state.plan_deadline_ns = nanoseconds(record.plan.deadline());
  for (const std::size_t backend : record.plan.tried())
    state.tried.push_back(static_cast<std::uint16_t>(backend));
  state.to_backend = described(record.to_backend.save());
  state.to_client = described(record.to_client.save());
  state.client_finished_first = record.client_finished_first;
  state.first_data_limit_ns = nanoseconds(record.limits.first_data);
  state.idle_limit_ns = nanoseconds(record.limits.idle);
  state.half_close_limit_ns = nanoseconds(record.limits.half_close);
  state.accepted_at_ns = nanoseconds(record.accepted_at);
  state.attempt_started_at_ns = nanoseconds(record.attempt_started_at);
  state.established_at_ns = nanoseconds(record.established_at);
  state.last_activity_at_ns = nanoseconds(record.last_activity_at);
  state.detached_at_ns = nanoseconds(record.detached_at);
  return state;
}

void take_back(SessionRecord& record, SessionState& state) {
  record.client = std::move(state.client);
  record.backend_socket = std::move(state.backend_socket);
}

std::deque<Bytes> bytes_of(const SessionRecord& record, std::uint32_t batch, std::uint32_t session) {
  std::deque<Bytes> parts;
  const auto add = [&](BytesOf of, const std::vector<std::byte>& bytes) {
    cut(parts, {.batch = batch, .session = session, .of = of, .chunk = {}}, bytes);
  };
  const Relay::State to_backend = record.to_backend.save();
  add(BytesOf::ToBackendUnsent, to_backend.unsent);
  add(BytesOf::ToBackendOpening, to_backend.opening);
  add(BytesOf::ToClientUnsent, record.to_client.save().unsent);
  return parts;
}

bool ArrivingSession::add(const Bytes& part) {
  const auto append = [&](std::vector<std::byte>& bytes, std::uint32_t most) {
    bytes.insert(bytes.end(), part.chunk.begin(), part.chunk.end());
    return bytes.size() <= most;
  };
  switch (part.of) {
    case BytesOf::ToBackendUnsent:
      return append(to_backend_unsent, state.to_backend.unsent_bytes);
    case BytesOf::ToBackendOpening:
      return append(to_backend_opening, state.to_backend.opening_bytes);
    case BytesOf::ToClientUnsent:
      break;
  }
  return append(to_client_unsent, state.to_client.unsent_bytes);
}

std::optional<SessionRecord> record_of(ArrivingSession session) {
  SessionState& state = session.state;
  const auto client_address = SocketAddress::parse(state.client_address);
  const auto own_address = SocketAddress::parse(state.own_address);
  auto to_backend =
      relay_of(state.to_backend, std::move(session.to_backend_unsent), std::move(session.to_backend_opening));
  auto to_client = relay_of(state.to_client, std::move(session.to_client_unsent), {});
  const bool is_whole = client_address && own_address && to_backend && to_client && state.client &&
                        state.is_relaying == static_cast<bool>(state.backend_socket) &&
                        (!state.is_relaying || state.backend) &&
                        !(to_backend->is_finished() && to_client->is_finished());
  if (!is_whole) return std::nullopt;
  SessionRecord record;
  record.service = state.service;
  record.phase = state.is_relaying ? SessionPhase::Relaying : SessionPhase::FirstData;
  record.client = std::move(state.client);
  record.backend_socket = std::move(state.backend_socket);
  record.client_address = *client_address;
  record.own_address = *own_address;
  if (state.backend) record.backend = *state.backend;
  record.attempt_error = state.attempt_error;
  record.plan.resume(time_of(state.plan_deadline_ns), {}, {state.tried.begin(), state.tried.end()});
  record.to_backend = std::move(*to_backend);
  record.to_client = std::move(*to_client);
  record.client_finished_first = state.client_finished_first;
  record.limits = {.first_data = std::chrono::nanoseconds(state.first_data_limit_ns),
                   .idle = std::chrono::nanoseconds(state.idle_limit_ns),
                   .half_close = std::chrono::nanoseconds(state.half_close_limit_ns)};
  record.accepted_at = time_of(state.accepted_at_ns);
  record.attempt_started_at = time_of(state.attempt_started_at_ns);
  record.established_at = time_of(state.established_at_ns);
  record.last_activity_at = time_of(state.last_activity_at_ns);
  record.detached_at = time_of(state.detached_at_ns);
  return record;
}

}  // namespace vipward::handover
