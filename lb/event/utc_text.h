// A moment for people: "2026-11-25T09:12:16Z". Any thread.
#pragma once

#include <chrono>
#include <string>

namespace vipward {

// Whole seconds, UTC.
std::string utc_text(std::chrono::system_clock::time_point time);

}  // namespace vipward
