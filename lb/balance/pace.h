// How many sessions of a group may be closed now, so that their clients do not all return in one instant: a
// fortieth of the group per tick of 50 ms, at least one, over about two seconds. Pure.
#pragma once

#include <chrono>
#include <cstddef>

namespace vipward {

inline constexpr std::chrono::milliseconds kPaceTick{50};

class Pace {
 public:
  // `remaining`: how many of the group are still there. A group that grows raises the pace, one that shrinks
  // keeps it.
  std::size_t next_batch(std::size_t remaining) {
    if (remaining > largest_) largest_ = remaining;
    if (remaining == 0) largest_ = 0;
    return (largest_ + kTicks - 1) / kTicks;
  }

 private:
  static constexpr std::size_t kTicks = 40;
  std::size_t largest_ = 0;
};

}  // namespace vipward
