#include "config/nearest_key.h"

#include <algorithm>
#include <numeric>

namespace vipward::config {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

namespace {

constexpr std::size_t kMostSlips = 3;

// So many slips still look like the same word.
std::size_t tolerance(std::size_t length) {
  if (length <= 3) return 1;
  return length <= 8 ? 2 : kMostSlips;
}

}  // namespace

std::string unknown_key_text(std::string_view key, const std::vector<std::string_view>& known) {
  std::string_view nearest;
  std::size_t best = kMostSlips + 1;
  for (const std::string_view candidate : known) {
    const std::size_t longer = std::max(key.size(), candidate.size());
    const std::size_t shorter = std::min(key.size(), candidate.size());
    if (longer - shorter >= best) continue;
    const std::size_t distance = edit_distance(key, candidate);
    if (distance < best && distance <= tolerance(longer)) {
      best = distance;
      nearest = candidate;
    }
  }
  if (!nearest.empty()) return "unknown key, did you mean " + std::string(nearest) + "?";
  std::string text = "unknown key, allowed: ";
  for (const std::string_view candidate : known) {
    if (candidate != known.front()) text += ", ";
    text += candidate;
  }
  return text;
}

}  // namespace vipward::config
