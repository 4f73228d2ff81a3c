// What a backend's state means for sessions, new and running. Pure; the table in the README is this file in
// prose.
#pragma once

#include <optional>

#include "lb/balance/backend_state.h"
#include "lb/event/time.h"

namespace vipward {

// In which round of attempts a backend in this state is tried, lower first; nullopt: never.
// fail_open: unknown and not_ready ones after the ready ones, dead ones last.
std::optional<int> attempt_round(BackendState state, bool fail_open);

// A backend as a worker knows it. Changes arrive from the checks.
struct BackendStanding {
  BackendState state = BackendState::Unknown;
  DeadCause dead_cause = DeadCause::None;
  // Dead, Silent: no other backend has answered since this one fell silent, so that it may be our own
  // network.
  bool may_be_our_path = false;
  TimePoint since{};  // when the state, or a dead one's cause, was entered
};

// Whether running sessions of a backend are to be closed.
enum class Eviction : std::uint8_t {
  None,
  Older,  // those established before `since`: a newer one proves that somebody is there again
  All,
};
struct EvictionInputs {
  bool another_ready = false;  // some other backend of the service is ready
  Duration drain_timeout{};
  TimePoint now{};
};
Eviction eviction_of(const BackendStanding& backend, const EvictionInputs& inputs);

}  // namespace vipward
