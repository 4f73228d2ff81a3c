#include "health/path_evidence.h"

namespace vipward {

void PathEvidence::on_answer(std::size_t backend, TimePoint began) {
  backends_[backend] = {.silent_since = std::nullopt, .answered = began};
}

void PathEvidence::on_silence(std::size_t backend, TimePoint now) {
  if (!backends_[backend].silent_since) backends_[backend].silent_since = now;
}

bool PathEvidence::may_be_our_path(std::size_t backend) const {
  const auto silent_since = backends_[backend].silent_since;
  if (!silent_since) return false;
  for (std::size_t i = 0; i < backends_.size(); ++i) {
    if (i != backend && backends_[i].answered && *backends_[i].answered > *silent_since) return false;
  }
  return true;
}

}  // namespace vipward
