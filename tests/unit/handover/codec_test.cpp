#include "lb/handover/codec.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>

#include "tests/unit/handover/messages.h"

namespace vipward::handover_test {
namespace {

using namespace handover;

using Raw = std::vector<std::uint8_t>;

std::optional<ToSuccessor> decode(const Raw& bytes, std::size_t descriptors, const ToSuccessor& /*way*/) {
  return decode_to_successor(bytes, some_fds(descriptors));
}
std::optional<ToPredecessor> decode(const Raw& bytes, std::size_t descriptors, const ToPredecessor& /*way*/) {
  return decode_to_predecessor(bytes, some_fds(descriptors));
}

template <class Message>
void check_round_trip(const Message& message) {
  const Packet packet = encode(message);
  const std::size_t count = packet.descriptors.size();
  CAPTURE(message.index());
  const auto back = decode(packet.bytes, count, message);
  REQUIRE(back);
  CHECK(back->index() == message.index());
  const Packet again = encode(*back);
  CHECK(again.bytes == packet.bytes);
  CHECK(again.descriptors.size() == count);
}

template <class Message>
void check_refuses_variations(const Message& message) {
  const Packet packet = encode(message);
  const std::size_t count = packet.descriptors.size();
  CAPTURE(message.index());
  for (std::size_t size = 0; size < packet.bytes.size(); ++size)
    CHECK_FALSE(decode(Raw(packet.bytes.begin(), packet.bytes.begin() + static_cast<std::ptrdiff_t>(size)),
                       count, message));
  Raw longer = packet.bytes;
  longer.push_back(0);
  CHECK_FALSE(decode(longer, count, message));
  CHECK_FALSE(decode(packet.bytes, count + 1, message));
  if (count > 0) CHECK_FALSE(decode(packet.bytes, count - 1, message));
  for (const std::size_t place : {0, 1, 2}) {  // magic, version, kind
    Raw other = packet.bytes;
    other[place] = 200;
    CHECK_FALSE(decode(other, count, message));
  }
}

template <class Kind>
Kind round_trip(Kind message) {
  const ToSuccessor any(std::move(message));
  const Packet packet = encode(any);
  auto back = decode_to_successor(packet.bytes, some_fds(packet.descriptors.size()));
  REQUIRE(back);
  return std::get<Kind>(std::move(*back));
}

TEST_CASE("every message comes back as it was") {
  for (const auto& message : messages_to_successor()) check_round_trip(message);
  for (const auto& message : messages_to_predecessor()) check_round_trip(message);
}

TEST_CASE("a packet that is cut, too long, of another version or with other descriptors is refused") {
  for (const auto& message : messages_to_successor()) check_refuses_variations(message);
  for (const auto& message : messages_to_predecessor()) check_refuses_variations(message);
}

TEST_CASE("everything that the checks know comes back") {
  const KnownBackend sent = known_backend("GET /readyz: 500");
  const Backends back = round_trip(Backends{.backends = {sent}});
  const KnownBackend& known = back.backends.at(0);
  CHECK(known.service == 1);
  CHECK(known.backend == 2);
  CHECK(known.service_name == "kube-apiserver");
  CHECK(known.name == "master-1");
  CHECK(known.address == "10.0.0.11:6443");
  CHECK(known.memory.checks_identity == sent.memory.checks_identity);
  CHECK(known.memory.state == BackendState::Dead);
  CHECK(known.memory.dead_cause == DeadCause::Silent);
  CHECK(known.memory.since == sent.memory.since);
  CHECK(known.memory.ready_row == 1);
  CHECK(known.memory.no_answer_row == 2);
  CHECK(known.memory.failing_row == 3);
  CHECK(known.memory.may_be_our_path);
  CHECK(known.memory.since_wall == sent.memory.since_wall);
  CHECK(known.memory.reason == "GET /readyz: 500");
  REQUIRE(known.memory.last_check);
  CHECK(known.memory.last_check->ended_at == sent.memory.last_check->ended_at);
  CHECK(known.memory.last_check->result == CheckResult::NoAnswer);
  CHECK(known.memory.last_check->phase == CheckPhase::Tls);
  CHECK(known.memory.last_check->detail == "GET /readyz: 500");
  CHECK(known.memory.last_check->duration == 2s);
  CHECK(known.memory.certificate_expiry == sent.memory.certificate_expiry);
  CHECK(known.memory.clock_skew_seconds == sent.memory.clock_skew_seconds);
}

TEST_CASE("everything that was counted comes back") {
  const Counts sent = some_counts();
  const Counts back = round_trip(some_counts());
  CHECK(back.services == sent.services);
  CHECK(back.backends == sent.backends);
  CHECK(back.process == sent.process);
}

TEST_CASE("a count that came later is not sent while it is zero: an older reader knows the rest") {
  handover::Counts counts = some_counts();
  const Raw older = encode(ToSuccessor(counts)).bytes;
  counts.process->spliced_bytes = 13;
  const Raw newer = encode(ToSuccessor(counts)).bytes;
  CHECK(newer.size() == older.size() + sizeof(std::uint64_t));
  CHECK(std::ranges::equal(older, std::span(newer).first(older.size())));
  CHECK(round_trip(counts).process->spliced_bytes == 13);
  CHECK(round_trip(some_counts()).process->spliced_bytes == 0);
}

TEST_CASE("descriptors come back in the order of the sessions, the client's first") {
  Sessions sessions{.batch = 1, .sessions = {}};
  sessions.sessions.push_back(waiting_session());
  sessions.sessions.push_back(relaying_session());
  const ToSuccessor message(std::move(sessions));
  const auto& sent = std::get<Sessions>(message).sessions;
  const Packet packet = encode(message);
  CHECK(packet.descriptors ==
        std::vector{sent[0].client.get(), sent[1].client.get(), sent[1].backend_socket.get()});
}

TEST_CASE("the fullest message of every kind fits into a packet") {
  const std::string text(channel::kLongestText, 'x');
  Backends backends;
  for (std::size_t i = 0; i < Backends::kMost; ++i) {
    KnownBackend& known = backends.backends.emplace_back(known_backend(text));
    known.service_name = known.name = known.address = text.substr(0, 64);
  }
  CHECK(encode(ToSuccessor(backends)).bytes.size() <= channel::kLongestPacket);

  Counts counts;
  const LabelledCount count{text.substr(0, 32), 1};
  const LabelledDurations durations{text.substr(0, 32), some_durations()};
  for (std::size_t i = 0; i < Counts::kMost; ++i) {
    ServiceCounts& service = counts.services.emplace_back();
    service.service = text.substr(0, 64);
    service.closed.assign(32, count);
    service.rejected.assign(32, count);
    BackendCounts& backend = counts.backends.emplace_back();
    backend.service = backend.backend = service.service;
    backend.checks.assign(32, count);
    backend.check_duration.assign(8, durations);
  }
  counts.process.emplace().loop_lag.assign(16, durations);
  CHECK(encode(ToSuccessor(counts)).bytes.size() <= channel::kLongestPacket);

  Sessions sessions{.batch = 1, .sessions = {}};
  for (std::size_t i = 0; i < Sessions::kMost; ++i) {
    SessionState& session = sessions.sessions.emplace_back(relaying_session());
    session.client_address = session.own_address = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535";
    session.tried.assign(255, 7);
  }
  const ToSuccessor message(std::move(sessions));
  CHECK(encode(message).bytes.size() <= channel::kLongestPacket);
  CHECK(encode(message).descriptors.size() <= channel::kMostDescriptors);

  Bytes bytes;
  bytes.chunk.resize(Bytes::kMost);
  CHECK(encode(ToSuccessor(bytes)).bytes.size() <= channel::kLongestPacket);
}

// Puts `value` where the good packet of `message` has `old`, which is there once.
template <class T>
Raw patched(const ToSuccessor& message, T old, T value) {
  Raw bytes = encode(message).bytes;
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(&old);
  const auto found = std::search(bytes.begin(), bytes.end(), begin, begin + sizeof old);
  REQUIRE(found != bytes.end());
  const auto* const with = reinterpret_cast<const std::uint8_t*>(&value);
  std::copy(with, with + sizeof value, found);
  return bytes;
}

TEST_CASE("what no proxy says is refused: numbers beyond their bounds, times that could overflow") {
  Sessions sessions{.batch = 1, .sessions = {}};
  sessions.sessions.push_back(relaying_session());
  sessions.sessions.front().accepted_at_ns = 0x1122334455667788;
  sessions.sessions.front().to_backend.unsent_bytes = 0x00012345;
  sessions.sessions.front().tried = {0x0123};
  const ToSuccessor message(std::move(sessions));
  REQUIRE(decode(encode(message).bytes, 2, message));
  const auto refuses = [&](const Raw& bytes) { return !decode(bytes, 2, message); };
  CHECK(
      refuses(patched(message, std::int64_t{0x1122334455667788}, std::numeric_limits<std::int64_t>::max())));
  CHECK(refuses(patched(message, std::int64_t{0x1122334455667788}, std::int64_t{-1})));
  CHECK(refuses(patched(message, std::uint32_t{0x00012345}, static_cast<std::uint32_t>(kLongestHeld + 1))));
  CHECK(refuses(patched(message, std::uint16_t{0x0123}, std::uint16_t{512})));
}

TEST_CASE("a batch that would hold more bytes than any proxy lets it is refused") {
  Sessions sessions{.batch = 1, .sessions = {}};
  for (std::size_t i = 0; i < kLongestBatch / kLongestHeld; ++i) {
    SessionState& session = sessions.sessions.emplace_back(relaying_session());
    session.to_backend = {};
    session.to_client = {.unsent_bytes = static_cast<std::uint32_t>(kLongestHeld)};
  }
  sessions.sessions.front().to_client.unsent_bytes = 0x00012345;
  const ToSuccessor message(std::move(sessions));
  const std::size_t count = encode(message).descriptors.size();
  CHECK(decode(encode(message).bytes, count, message));
  // The first as full as the others, and one byte in its other direction.
  Raw bytes = patched(message, std::uint32_t{0x00012345}, static_cast<std::uint32_t>(kLongestHeld));
  CHECK(decode(bytes, count, message));
  sessions = std::get<Sessions>(*decode(bytes, count, message));
  sessions.sessions.front().to_client.unsent_bytes = 0x00012345;
  sessions.sessions.front().to_backend.unsent_bytes = 1;
  bytes = patched(ToSuccessor(std::move(sessions)), std::uint32_t{0x00012345},
                  static_cast<std::uint32_t>(kLongestHeld));
  CHECK_FALSE(decode(bytes, count, message));
}

TEST_CASE("no check finds out that a backend is drained, nor a clock skew that is no number") {
  KnownBackend known = known_backend("");
  const auto alone = [&] { return ToSuccessor(Backends{.backends = {known}}); };
  known.memory.clock_skew_seconds = 1234.5;
  CHECK_FALSE(decode(patched(alone(), 1234.5, std::numeric_limits<double>::quiet_NaN()), 0, alone()));
  Raw bytes = encode(alone()).bytes;
  // The state is the byte behind the identity of the checks.
  const std::array<std::uint8_t, 8> identity{0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE};
  const auto found = std::search(bytes.begin(), bytes.end(), identity.begin(), identity.end());
  REQUIRE(found != bytes.end());
  REQUIRE(found[8] == static_cast<std::uint8_t>(BackendState::Dead));
  found[8] = static_cast<std::uint8_t>(BackendState::Drained);
  CHECK_FALSE(decode(bytes, 0, alone()));
}

}  // namespace
}  // namespace vipward::handover_test
