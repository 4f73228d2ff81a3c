// What a backend's state means for sessions, new and running. Pure; the table in the README is this file in
// prose.
#pragma once

#include <chrono>
#include <optional>

#include "lb/balance/backend_state.h"
#include "lb/event/time.h"

namespace vipward {

// In which round of attempts a backend in this state is tried, lower first; nullopt: never.
// fail_open: unknown and not_ready ones after the ready ones, dead ones last.
std::optional<int> attempt_round(BackendState state, bool fail_open);

// Taken out by the operator, or by a configuration that no longer names it.
struct Drain {
  using WallTime = std::chrono::system_clock::time_point;

  WallTime since{};                         // of the operator's command; not known of a removed one
  std::optional<TimePoint> deadline{};      // its sessions are closed from then on; absent: never
  bool removed = false;                     // by the configuration: it will not be back
  std::optional<WallTime> deadline_wall{};  // the same for people
};

// A backend as a worker knows it. Changes arrive from the checks and from the operator.
struct BackendStanding {
  BackendState state = BackendState::Unknown;
  DeadCause dead_cause = DeadCause::None;
  // Dead, Silent: no other backend has answered since this one fell silent, so that it may be our own
  // network.
  bool may_be_our_path = false;
  TimePoint since{};  // when the state, or a dead one's cause, was entered
  std::optional<Drain> drain{};
};

// What it is for new sessions, and for people.
constexpr BackendState effective_state(const BackendStanding& backend) {
  return backend.drain ? BackendState::Drained : backend.state;
}

// Whether running sessions of a backend are to be closed.
enum class Eviction : std::uint8_t {
  None,
  Older,  // those established before `since`: a newer one proves that somebody is there again
  All,
};
enum class EvictionCause : std::uint8_t { Dead, NotReady, Drained, Removed };
struct EvictionInputs {
  bool another_ready = false;  // some other backend of the service is ready, and not drained
  Duration drain_timeout{};
  TimePoint now{};
};
struct EvictionOrder {
  Eviction sessions = Eviction::None;
  EvictionCause cause = EvictionCause::Dead;  // of any but None
};
// A drained backend can be found dead, and is treated as one; that it is not ready is what one drains for.
EvictionOrder eviction_of(const BackendStanding& backend, const EvictionInputs& inputs);
// The moment after which eviction_of() may have another answer although nothing is found out; absent: none.
std::optional<TimePoint> next_eviction(const BackendStanding& backend, Duration drain_timeout);

}  // namespace vipward
