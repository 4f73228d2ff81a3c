#include "lb/guardian/candidacy_rule.h"

namespace vipward {

HostWish wish_of(const HostCondition& condition) {
  if (condition.proxy == Supervisor::Standing::NotServing) return {Candidacy::None, "no proxy serves"};
  if (condition.proxy == Supervisor::Standing::CrashLoop) {
    return {Candidacy::LastResort,
            "the proxy died " + std::to_string(Supervisor::kMostDeaths) + " times within " +
                std::to_string(
                    std::chrono::duration_cast<std::chrono::seconds>(Supervisor::kDeathWindow).count()) +
                " s"};
  }
  if (!condition.lost_listeners.empty()) {
    return {Candidacy::LastResort, "clients are refused on " + condition.lost_listeners};
  }
  if (condition.backends_missing) return {Candidacy::LastResort, "a service has no living backend"};
  if (condition.released_by_operator) return {Candidacy::IfNobodyHeard, "released by the operator"};
  return {};
}

}  // namespace vipward
