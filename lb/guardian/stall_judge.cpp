#include "lb/guardian/stall_judge.h"

#include <algorithm>

namespace vipward {

void StallJudge::reset(TimePoint now) {
  trusted_since_ = now;
  observed_at_ = now;
  suspicions_.clear();
}

Duration StallJudge::age(TimePoint stamped_at, TimePoint now) const {
  return std::max(now - std::max(stamped_at, trusted_since_), Duration::zero());
}

bool StallJudge::is_suspicious(TimePoint stamped_at, TimePoint now) const {
  return age(stamped_at, now) >= kSuspicious;
}

std::optional<std::size_t> StallJudge::observe(TimePoint now, const std::vector<Slot>& slots) {
  if (now - observed_at_ > kOwnLateness) reset(now);
  observed_at_ = now;
  suspicions_.resize(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Slot& slot = slots[i];
    std::optional<Suspicion>& suspicion = suspicions_[i];
    if (!is_suspicious(slot.stamped_at, now)) {
      suspicion.reset();
      continue;
    }
    if (!suspicion) {
      suspicion = Suspicion{
          .since = now, .processor_time = slot.use ? slot.use->processor_time : std::chrono::nanoseconds{}};
    }
    if (age(slot.stamped_at, now) >= kLimit && !waits_for_core(*suspicion, slot, now)) return i;
  }
  return std::nullopt;
}

// A thread that wants a core and got less than half of one since it became suspicious. One that spins in a
// loop of its own gets more; one that sleeps, is stopped or has gone does not want any.
bool StallJudge::waits_for_core(const Suspicion& suspicion, const Slot& slot, TimePoint now) {
  return slot.use && slot.use->runnable &&
         slot.use->processor_time - suspicion.processor_time < (now - suspicion.since) / 2;
}

}  // namespace vipward
