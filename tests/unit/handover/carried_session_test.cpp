#include "lb/handover/carried_session.h"

#include <doctest/doctest.h>

#include "tests/unit/handover/messages.h"

namespace vipward::handover_test {
namespace {

using namespace handover;

std::vector<std::byte> bytes_like(std::size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + i / 251 + seed) % 256);
  return bytes;
}

SessionRecord full_record() {
  SessionRecord record;
  record.service = 3;
  record.phase = SessionPhase::Relaying;
  record.client = some_fd();
  record.backend_socket = some_fd();
  record.client_address = *SocketAddress::parse("[::ffff:0:1]:1");
  record.own_address = *SocketAddress::parse("127.0.0.1:65535");
  record.backend = 4;
  record.attempt_error = 111;
  record.plan.resume(TimePoint(77s), {}, {2, 0, 4});
  record.to_backend = Relay::restored({.unsent = bytes_like(64 * 1024, 1),
                                       .opening = bytes_like(16 * 1024, 2),
                                       .bytes = 12,
                                       .opening_limit = 16 * 1024});
  record.to_client = Relay::restored({.unsent = bytes_like(Bytes::kMost + 1, 3),
                                      .bytes = 13,
                                      .holds_empty_end = true,
                                      .source_ended = true});
  record.client_finished_first = true;
  record.limits = {.first_data = 6s, .idle = 7s, .half_close = 8s};
  record.accepted_at = TimePoint(1ns);
  record.attempt_started_at = TimePoint(2s);
  record.established_at = TimePoint(3s);
  record.last_activity_at = TimePoint(4s);
  record.detached_at = TimePoint(5s);
  return record;
}

// As it arrives when everything of it has been sent.
ArrivingSession arriving(SessionRecord& record) {
  ArrivingSession session{.state = lend(record)};
  for (const Bytes& part : bytes_of(record, 1, 0)) CHECK(session.add(part));
  return session;
}

TEST_CASE("a record becomes a state and bytes, and the same record again") {
  SessionRecord before = full_record();
  const int client = before.client.get();
  const int backend = before.backend_socket.get();
  const auto after = record_of(arriving(before));
  REQUIRE(after);
  CHECK(after->service == 3);
  CHECK(after->phase == SessionPhase::Relaying);
  CHECK(after->client.get() == client);
  CHECK(after->backend_socket.get() == backend);
  CHECK(after->client_address == before.client_address);
  CHECK(after->own_address == before.own_address);
  CHECK(after->backend == 4);
  CHECK(after->attempt_error == 111);
  CHECK(after->plan.deadline() == TimePoint(77s));
  CHECK(after->plan.tried() == std::vector<std::size_t>{2, 0, 4});
  CHECK(after->to_backend.save() == before.to_backend.save());
  CHECK(after->to_client.save() == before.to_client.save());
  CHECK(after->client_finished_first);
  CHECK(after->limits.first_data == 6s);
  CHECK(after->limits.idle == 7s);
  CHECK(after->limits.half_close == 8s);
  CHECK(after->accepted_at == TimePoint(1ns));
  CHECK(after->attempt_started_at == TimePoint(2s));
  CHECK(after->established_at == TimePoint(3s));
  CHECK(after->last_activity_at == TimePoint(4s));
  CHECK(after->detached_at == TimePoint(5s));
}

TEST_CASE("a client that has said nothing is carried without a backend") {
  SessionRecord before;
  before.client = some_fd();
  before.client_address = *SocketAddress::parse("10.0.0.7:51514");
  before.accepted_at = TimePoint(9s);
  const auto after = record_of(arriving(before));
  REQUIRE(after);
  CHECK(after->phase == SessionPhase::FirstData);
  CHECK_FALSE(after->backend);
  CHECK_FALSE(after->backend_socket);
  CHECK(after->own_address == SocketAddress());
  CHECK(after->accepted_at == TimePoint(9s));
}

TEST_CASE("what was lent comes back") {
  SessionRecord record = full_record();
  const int client = record.client.get();
  const int backend = record.backend_socket.get();
  SessionState state = lend(record);
  CHECK_FALSE(record.client);
  take_back(record, state);
  CHECK(record.client.get() == client);
  CHECK(record.backend_socket.get() == backend);
  CHECK(record.to_backend.save() == full_record().to_backend.save());
}

TEST_CASE("bytes go in order, in parts that a packet can carry") {
  const SessionRecord record = full_record();
  std::size_t unsent = 0;
  for (const Bytes& part : bytes_of(record, 8, 5)) {
    CHECK(part.batch == 8);
    CHECK(part.session == 5);
    CHECK(!part.chunk.empty());
    CHECK(part.chunk.size() <= Bytes::kMost);
    if (part.of == BytesOf::ToBackendUnsent) unsent += part.chunk.size();
  }
  CHECK(unsent == 64 * 1024);
}

TEST_CASE("a session that is not whole, or contradicts itself, is none") {
  const auto is_refused = [](auto spoil) {
    SessionRecord record = full_record();
    ArrivingSession session = arriving(record);
    spoil(session);
    return !record_of(std::move(session));
  };
  CHECK_FALSE(is_refused([](ArrivingSession&) {}));
  CHECK(is_refused([](ArrivingSession& session) { session.to_backend_unsent.pop_back(); }));
  CHECK(is_refused([](ArrivingSession& session) { session.to_backend_unsent.push_back(std::byte{1}); }));
  CHECK(is_refused([](ArrivingSession& session) {
    const Bytes one_more{.of = BytesOf::ToBackendUnsent, .chunk = {std::byte{1}}};
    CHECK_FALSE(session.add(one_more));
  }));
  CHECK(is_refused([](ArrivingSession& session) { session.to_backend_opening.clear(); }));
  CHECK(is_refused([](ArrivingSession& session) { session.to_client_unsent.clear(); }));
  CHECK(is_refused([](ArrivingSession& session) { session.state.client_address = "localhost:1"; }));
  CHECK(is_refused([](ArrivingSession& session) { session.state.own_address = ""; }));
  CHECK(is_refused([](ArrivingSession& session) { session.state.backend.reset(); }));
  CHECK(is_refused([](ArrivingSession& session) { session.state.is_relaying = false; }));
  CHECK(is_refused([](ArrivingSession& session) { session.state.client.reset(); }));
  CHECK(is_refused([](ArrivingSession& session) { session.state.backend_socket.reset(); }));
  // It has ended, and still holds bytes.
  CHECK(is_refused([](ArrivingSession& session) { session.state.to_client.finished = true; }));
  // Both directions have ended: there is nothing to carry.
  CHECK(is_refused([](ArrivingSession& session) {
    session.to_backend_unsent.clear();
    session.to_client_unsent.clear();
    for (RelayState* relay : {&session.state.to_backend, &session.state.to_client}) {
      relay->unsent_bytes = 0;
      relay->source_ended = relay->finished = true;
    }
  }));
}

}  // namespace
}  // namespace vipward::handover_test
