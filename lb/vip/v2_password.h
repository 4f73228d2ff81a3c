// The password of version 2 (keepalived's auth_pass) from its file. Start-up and reload; the guardian's
// thread; blocking file I/O of a few bytes. Throws nothing.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "lb/vip/packet.h"

namespace vipward {

// 1 to 8 bytes and perhaps a newline. A text instead says what is wrong, and what is allowed.
std::variant<VrrpPassword, std::string> parse_v2_password(std::string_view text);
// The same of a file, which the text names.
std::variant<VrrpPassword, std::string> read_v2_password(const std::string& path);

}  // namespace vipward
