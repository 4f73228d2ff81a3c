// Instructions in user space that a relay spends on one small exchange, as callgrind counts them: the same
// from run to run where times are not. Main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vipward::perf {

enum class CountedRelay : std::uint8_t {
  Worker,  // vipward's, without the rest of vipward
  Floor,   // perf/floor.c
};

// One client in ping-pong through one session; what two lengths of it differ by, so that start-up and the
// session's own beginning and end are left out. Takes seconds. Throws std::runtime_error if it cannot be
// measured.
double instructions_per_exchange(CountedRelay relay);

// What a profile of callgrind says in its line "totals:". Pure.
std::optional<std::uint64_t> total_of(std::string_view profile);

// What vipward's figure was when it was last recorded; the text of perf/instructions.txt. Pure.
std::string recorded_text(double instructions);
// Nothing: there is no number in it.
std::optional<double> parse_recorded(std::string_view text);
// What is wrong with a figure; empty: it is at most a tenth above the recorded one.
std::string regression_of(double instructions, double recorded);

}  // namespace vipward::perf
