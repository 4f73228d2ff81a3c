#include "lb/vip/reason_text.h"

#include <chrono>

namespace vipward {

std::string reason_text(const Transition& transition, const std::optional<Instance::LastHeard>& heard,
                        TimePoint now, const std::string& fault) {
  const std::string peer = heard ? heard->source.to_string() : "the peer";
  switch (transition.cause) {
    case Cause::Startup:
      return fault.empty() ? "listening after the start" : fault;
    case Cause::DownTimer: {
      if (!heard) return "nobody was heard";
      const auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(now - heard->at);
      return peer + " was not heard for " + std::to_string(silence.count()) + " ms";
    }
    case Cause::PriorityZero:
      return peer + " let go";
    case Cause::Failback:
      return peer + " has a lower priority";
    case Cause::HigherPriority:
      return peer + " goes first, by priority or by address";
    case Cause::OwnFault:
      return fault;
    case Cause::OperatorRelease:
      return "released by the operator";
    case Cause::NobodyHeard:
      return fault.empty() ? "nobody was heard" : "nobody was heard, although: " + fault;
    case Cause::FaultGone:
      return transition.to == VipState::Active ? "the fault is gone and nobody was heard"
                                               : "the fault is gone";
    case Cause::Stall:
      return "this host stood still for longer than the peer waits";
    case Cause::Shutdown:
      return "vipward stops";
  }
  return "";
}

}  // namespace vipward
