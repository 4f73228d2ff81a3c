// A session between a worker's record and the messages, both ways. Pure; used by Sender and Receiver.
#pragma once

#include <deque>
#include <optional>

#include "lb/handover/messages.h"
#include "lb/proxy/session_record.h"

namespace vipward::handover {

// The state of a detached session, with its descriptors, which `record` lends: take_back() returns them.
SessionState lend(SessionRecord& record);
void take_back(SessionRecord& record, SessionState& state);
// The bytes that go with it, in messages.
std::deque<Bytes> bytes_of(const SessionRecord& record, std::uint32_t batch, std::uint32_t session);

// A session as it arrives.
struct ArrivingSession {
  SessionState state;
  std::vector<std::byte> to_backend_unsent{};
  std::vector<std::byte> to_backend_opening{};
  std::vector<std::byte> to_client_unsent{};

  // False: more than the state says it holds.
  bool add(const Bytes& part);
};
// Positions are as they were sent. Nullopt: it is not whole, or contradicts itself.
std::optional<SessionRecord> record_of(ArrivingSession session);

}  // namespace vipward::handover
