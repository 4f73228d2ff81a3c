// The request of a check as text. Pure.
#pragma once

#include <string>
#include <string_view>

namespace vipward {

// `host` goes into the Host header; an empty token means no Authorization header.
std::string http_get(std::string_view path, std::string_view host, std::string_view bearer_token);

}  // namespace vipward
