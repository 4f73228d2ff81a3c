// When the next check of one backend starts. Pure: `now` and chance are passed in. Owner: a Target. Never
// lets a check overlap the one before it.
#pragma once

#include <cstdint>
#include <optional>

#include "lb/event/time.h"

namespace vipward {

class CheckSchedule {
 public:
  struct Timing {
    Duration interval{};
    Duration fast_interval{};
    double jitter = 0;  // share of the interval, both ways
  };
  // The first check is due at `start`.
  CheckSchedule(Timing timing, TimePoint start) : timing_(timing), due_(start) {}

  // Checks have been going on elsewhere: the next one is due within an interval; chance: 0 <= x < 1.
  void continue_from(TimePoint now, double chance);
  // The check that was due runs from now on.
  void on_started();
  enum class Pace : std::uint8_t {
    Normal,  // `interval`: always after a timeout, so that a slow backend is not pressed
    Fast,    // `fast_interval`: while rising, and after a refused connect
  };
  // The next check is due one interval after this end, jittered; chance: 0 <= x < 1.
  void on_ended(TimePoint now, Pace pace, double chance);
  // A session's connect was refused: a check is due now. Nothing while one runs; at most one check per
  // fast_interval comes from here, whatever the number of refused connects.
  void on_connect_refused(TimePoint now);

  // When to start the next check; nothing while one runs.
  std::optional<TimePoint> next_deadline() const { return due_; }

 private:
  Timing timing_;
  std::optional<TimePoint> due_;
  std::optional<TimePoint> last_urgent_;
};

}  // namespace vipward
