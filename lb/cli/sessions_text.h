// The sessions of a proxy for a terminal. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vipward {

// From what /api/v1/sessions says: a line that sums up, then a table, oldest first. Nullopt: it is not that.
std::optional<std::string> render_sessions_text(std::string_view json);

}  // namespace vipward
