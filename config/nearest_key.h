// What to say about a key that nobody knows: the known one that was probably meant, or all of them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vipward::config {

// `unknown key, did you mean connect?` or `unknown key, allowed: connect, drain`.
std::string unknown_key_text(std::string_view key, const std::vector<std::string_view>& known);

}  // namespace vipward::config
