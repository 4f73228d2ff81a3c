#include <charconv>
#include <cstddef>

#include "perf/callgrind/instructions.h"
#include "perf/figures.h"

namespace vipward::perf {
namespace {

constexpr double kTolerance = 1.10;

// The line that begins with `key`, without it; nothing: there is none.
std::optional<std::string_view> line_after(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key)) return line.substr(key.size());
    text.remove_prefix(line.size() < text.size() ? line.size() + 1 : text.size());
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return count;
}

}  // namespace

std::optional<std::uint64_t> total_of(std::string_view profile) {
  const auto total = line_after(profile, "totals: ");
  return total ? parse_count(*total) : std::nullopt;
}

std::string recorded_text(double instructions) {
  return "# Instructions in user space of vipward's worker per relayed exchange (64 bytes there, 40 back).\n"
         "# Recorded by perf/instructions --record; ctest perf_instructions fails at more than 10 % above.\n"
         "vipward: " +
         number(instructions, 0) + "\n";
}

std::optional<double> parse_recorded(std::string_view text) {
  const auto value = line_after(text, "vipward: ");
  const auto count = value ? parse_count(*value) : std::nullopt;
  if (!count || *count == 0) return std::nullopt;
  return static_cast<double>(*count);
}

std::string regression_of(double instructions, double recorded) {
  if (instructions <= recorded * kTolerance) return "";
  return number(instructions, 0) + " instructions per exchange are " +
         number((instructions / recorded - 1) * 100) + " % above the recorded " + number(recorded, 0) +
         " (at most 10 % are allowed). If they buy something: perf/instructions --record";
}

}  // namespace vipward::perf
