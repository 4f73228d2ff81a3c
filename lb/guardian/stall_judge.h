// Whether the proxy's loops still turn. Every loop of the proxy stamps the shared page each 50 ms; a stamp
// older than kLimit is a stall, but only while our own loop was on time (after our own pause everybody looks
// stalled) and the thread was not merely waiting for a core (on a starved machine a restart would starve as
// well). Pure: samples in, a verdict out. Owner: the GuardianApp, every kEvery.
//
// The page is the proxy's to write, so nothing here believes it: a stamp from the future counts as one of
// now.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lb/event/time.h"

namespace vipward {

class StallJudge {
 public:
  static constexpr Duration kEvery = std::chrono::milliseconds(50);
  static constexpr Duration kLimit = std::chrono::milliseconds(500);
  // From this age on the thread's use of the processor is worth asking for.
  static constexpr Duration kSuspicious = std::chrono::milliseconds(200);
  // Our own turns further apart than this: the ages start over.
  static constexpr Duration kOwnLateness = std::chrono::milliseconds(150);

  // What the kernel says of a thread (proc(5): task/TID/stat, task/TID/schedstat).
  struct ThreadUse {
    bool runnable = false;  // state R: runs, or waits for a core
    std::chrono::nanoseconds processor_time{};
  };
  struct Slot {
    TimePoint stamped_at{};
    std::optional<ThreadUse> use;  // only needed of a slot that is_suspicious(); absent: no such thread
  };

  // A new proxy: its page is as good as stamped now.
  void reset(TimePoint now);
  bool is_suspicious(TimePoint stamped_at, TimePoint now) const;
  // The slots that are in use, always in the same order. The position of the first one that stalled.
  std::optional<std::size_t> observe(TimePoint now, const std::vector<Slot>& slots);

 private:
  struct Suspicion {
    TimePoint since{};
    std::chrono::nanoseconds processor_time{};
  };

  Duration age(TimePoint stamped_at, TimePoint now) const;
  static bool waits_for_core(const Suspicion& suspicion, const Slot& slot, TimePoint now);

  TimePoint trusted_since_{};  // ages are not counted from before this
  TimePoint observed_at_{};
  std::vector<std::optional<Suspicion>> suspicions_;  // by slot
};

}  // namespace vipward
