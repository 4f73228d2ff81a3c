#include "lb/balance/rules.h"

namespace vipward {

std::optional<int> attempt_round(BackendState state, bool fail_open) {
  switch (state) {
    case BackendState::Ready:
      return 0;
    case BackendState::Unknown:
    case BackendState::NotReady:
      return fail_open ? std::optional(1) : std::nullopt;
    case BackendState::Dead:
      return fail_open ? std::optional(2) : std::nullopt;
    case BackendState::Drained:
      return std::nullopt;
  }
  return std::nullopt;
}

namespace {

Eviction of_dead(const BackendStanding& backend, const EvictionInputs& inputs) {
  if (backend.state != BackendState::Dead) return Eviction::None;
  if (backend.dead_cause == DeadCause::Refused) return Eviction::Older;
  return inputs.another_ready && !backend.may_be_our_path ? Eviction::All : Eviction::None;
}

// The clients of a removed backend could not come back to it, whatever becomes of the others.
bool is_drain_over(const Drain& drain, const EvictionInputs& inputs) {
  return drain.deadline && inputs.now >= *drain.deadline && (inputs.another_ready || drain.removed);
}

}  // namespace

EvictionOrder eviction_of(const BackendStanding& backend, const EvictionInputs& inputs) {
  const bool drain_is_over = backend.drain && is_drain_over(*backend.drain, inputs);
  if (const Eviction dead = of_dead(backend, inputs); dead != Eviction::None)
    return {.sessions = drain_is_over ? Eviction::All : dead, .cause = EvictionCause::Dead};
  if (drain_is_over) {
    return {.sessions = Eviction::All,
            .cause = backend.drain->removed ? EvictionCause::Removed : EvictionCause::Drained};
  }
  if (effective_state(backend) == BackendState::NotReady && inputs.another_ready &&
      inputs.now >= backend.since + inputs.drain_timeout)
    return {.sessions = Eviction::All, .cause = EvictionCause::NotReady};
  return {};
}

std::optional<TimePoint> next_eviction(const BackendStanding& backend, Duration drain_timeout) {
  if (backend.drain) return backend.drain->deadline;
  if (backend.state == BackendState::NotReady) return backend.since + drain_timeout;
  return std::nullopt;
}

}  // namespace vipward
