#include "lb/vip/state_file.h"

#include <net/if.h>

#include <utility>

#include "lb/net/small_file.h"

namespace vipward {
namespace {

constexpr std::size_t kMostLines = 256;

std::optional<RecordedAddress> parse_line(std::string_view line) {
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(line.substr(0, space));
  const std::string_view name = line.substr(space + 1);
  if (!address || address->is_unspecified()) return std::nullopt;
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of("/: \t\r") != std::string_view::npos) {
    return std::nullopt;
  }
  return RecordedAddress{*address, std::string(name)};
}

}  // namespace

std::vector<RecordedAddress> parse_recorded(std::string_view text) {
  std::vector<RecordedAddress> found;
  while (!text.empty() && found.size() < kMostLines) {
    const auto end = text.find('\n');
    if (auto line = parse_line(text.substr(0, end))) found.push_back(std::move(*line));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return found;
}

std::vector<RecordedAddress> StateFile::read() const {
  return parse_recorded(read_small_file(path_).text);
}

std::optional<std::string> StateFile::write(std::span<const RecordedAddress> addresses) const {
  std::string text;
  for (const RecordedAddress& one : addresses) text += one.address.to_string() + " " + one.interface + "\n";
  std::string problem = replace_small_file(path_, text);
  return problem.empty() ? std::nullopt : std::optional(std::move(problem));
}

}  // namespace vipward
