// Tells a backend that fell silent alone from a fault of our own network: only a check of another backend
// that began later and was answered proves the difference. Pure. Owner: HealthMonitor, one per service.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "lb/event/time.h"

namespace vipward {

class PathEvidence {
 public:
  explicit PathEvidence(std::size_t backend_count) : backends_(backend_count) {}

  // A check that began at `began` was answered, whatever the answer.
  void on_answer(std::size_t backend, TimePoint began);
  // A check ended at `now` without an answer.
  void on_silence(std::size_t backend, TimePoint now);
  // True for a silent backend as long as no other one has answered a check that began after it fell silent.
  bool may_be_our_path(std::size_t backend) const;

 private:
  struct Backend {
    std::optional<TimePoint> silent_since;  // end of the first check in the row without an answer
    std::optional<TimePoint> answered;      // begin of the last check that was answered
  };
  std::vector<Backend> backends_;
};

}  // namespace vipward
