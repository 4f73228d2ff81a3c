// One log line as text or JSON. Pure: the time is passed in. Whatever a value holds, the result is one line
// of valid UTF-8 without control characters, so that nothing that strangers send can forge a line or reach a
// terminal. Any thread.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "lb/log/log.h"

namespace vipward {

// The line with its '\n'.
//   text: `2026-11-22T09:10:11.123456Z info  event key=value key="quoted value"`; inside quotes \" \\ \n \r
//   \t,
//         \u0085 for other control characters, \xff for a byte that is not UTF-8.
//   JSON: {"time":...,"level":...,"event":...,key:value...}; a byte that is not UTF-8 becomes U+FFFD, a
//   number
//         that JSON cannot say becomes null.
std::string format_log_line(LogFormat format, std::chrono::system_clock::time_point time, LogLevel level,
                            std::string_view event, std::span<const LogField> fields);

// "debug", "info", "warn", "error".
std::string_view to_string(LogLevel level);

}  // namespace vipward
