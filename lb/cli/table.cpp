#include "lb/cli/table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace vipward {
namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

// In code points: right for what names are made of.
std::size_t width(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return !is_continuation(c); }));
}

// U+0080 to U+009F, U+2028 to U+202E, U+2066 to U+2069.
bool is_control_sequence(std::string_view code_point) {
  if (code_point.size() == 2)
    return code_point[0] == '\xC2' && static_cast<unsigned char>(code_point[1]) <= 0x9F;
  if (code_point.size() != 3 || code_point[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(code_point[2]);
  return (code_point[1] == '\x80' && last >= 0xA8 && last <= 0xAE) ||
         (code_point[1] == '\x81' && last >= 0xA6 && last <= 0xA9);
}

}  // namespace

std::string printable(std::string_view utf8) {
  std::string result;
  while (!utf8.empty()) {
    std::size_t length = 1;
    while (length < utf8.size() && is_continuation(utf8[length])) ++length;
    const std::string_view code_point = utf8.substr(0, length);
    utf8.remove_prefix(length);
    const auto lead = static_cast<unsigned char>(code_point[0]);
    if (lead < 0x20 || lead == 0x7F || is_control_sequence(code_point))
      result += '?';
    else
      result += code_point;
  }
  return result;
}

void Table::add(Row row) {
  rows_.push_back(std::move(row));
}

std::string Table::to_string() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const Row& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string result;
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string& cell = row[i].empty() ? "-" : row[i];
      result += "  " + cell;
      if (i + 1 < row.size()) result.append(widths[i] - std::min(widths[i], width(cell)), ' ');
    }
    result += '\n';
  }
  return result;
}

}  // namespace vipward
