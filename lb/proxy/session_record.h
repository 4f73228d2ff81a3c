// A session's whole state as a value: what a handover carries to the next generation. The Session around
// it adds only its place in a worker (epoll registration, deadline, queues). Worker thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "lb/event/time.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "lb/proxy/connect_plan.h"
#include "lb/proxy/relay.h"

namespace vipward {

enum class SessionPhase : std::uint8_t {
  FirstData,   // accepted, waiting for the client's first byte
  Connecting,  // an attempt towards `backend` is under way, or waits for a descriptor
  Relaying,
  Ended,
};

// The service's when the session began: a reload that changes them cuts nobody who is in.
struct SessionLimits {
  Duration first_data{};  // of one that waits for it
  Duration idle{};        // zero: none
  Duration half_close{};
};

struct SessionRecord {
  std::size_t service = 0;
  SessionPhase phase = SessionPhase::FirstData;
  Fd client;
  Fd backend_side;  // made with the client, for the first attempt; empty from then on
  Fd backend_socket;
  SocketAddress client_address;
  SocketAddress own_address;           // our end of the backend connection, known once it is established
  std::optional<std::size_t> backend;  // chosen now or last
  int attempt_error = 0;               // errno of the last attempt that failed
  ConnectPlan plan;
  Relay to_backend;
  Relay to_client;
  bool client_finished_first = false;  // meaningful once one direction is finished
  SessionLimits limits;
  TimePoint accepted_at{};
  TimePoint attempt_started_at{};
  TimePoint established_at{};
  TimePoint last_activity_at{};  // bytes or an end passed on, either way
  TimePoint detached_at{};       // of one that nobody serves now: it is being handed over

  // Bytes that have been received and not yet sent on, or may have to be sent again.
  std::size_t held_bytes() const {
    return to_backend.unsent().size() + to_backend.opening().size() + to_client.unsent().size();
  }
};

}  // namespace vipward
