// The clock everything uses. Pure parts get a TimePoint as an argument; only lb/event reads the clock.
#pragma once

#include <chrono>

namespace vipward {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

}  // namespace vipward
