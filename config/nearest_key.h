// What to say about a key that nobody knows: the known one that was probably meant, or all of them. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vipward::config {

// Insertions, deletions, substitutions and swapped neighbours, each counted once (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

// `unknown key, did you mean connect?` or `unknown key, allowed: connect, drain`.
std::string unknown_key_text(std::string_view key, const std::vector<std::string_view>& known);

}  // namespace vipward::config
