// What this binary is. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace vipward {

// "0.1.0"
std::string_view version();
// Of the source tree, as git describes it: "a1b2c3d", "v0.1.0-3-ga1b2c3d-dirty"; empty when it was built
// outside of git.
std::string_view revision();
// Both: "0.1.0 (a1b2c3d)".
std::string full_version();

}  // namespace vipward
