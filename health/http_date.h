// The Date header of a response, and how far the clock that wrote it is from ours. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace vipward {

// RFC 9110 section 5.6.7, the preferred form only: "Sun, 06 Nov 1994 08:49:37 GMT". The name of the day is
// not compared with the date.
std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text);

// Seconds that the other clock is ahead of ours (negative: behind). `date` counts whole seconds and was
// written between `sent` and `received`: 0 as long as both clocks may agree.
double clock_skew_seconds(std::chrono::sys_seconds date, std::chrono::system_clock::time_point sent,
                          std::chrono::system_clock::time_point received);

}  // namespace vipward
