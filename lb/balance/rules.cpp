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

Eviction eviction_of(const BackendStanding& backend, const EvictionInputs& inputs) {
  switch (backend.state) {
    case BackendState::Dead:
      if (backend.dead_cause == DeadCause::Refused) return Eviction::Older;
      return inputs.another_ready && !backend.may_be_our_path ? Eviction::All : Eviction::None;
    case BackendState::NotReady:
      return inputs.another_ready && inputs.now >= backend.since + inputs.drain_timeout ? Eviction::All
                                                                                        : Eviction::None;
    case BackendState::Unknown:
    case BackendState::Ready:
    case BackendState::Drained:
      return Eviction::None;
  }
  return Eviction::None;
}

}  // namespace vipward
