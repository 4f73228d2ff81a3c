#include "lb/vip/v2_password.h"

#include <algorithm>

#include "config/file_text.h"

namespace vipward {

std::variant<VrrpPassword, std::string> parse_v2_password(std::string_view text) {
  const std::string allowed = ", allowed: 1 to 8 bytes, and a newline";
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  VrrpPassword password{};
  if (text.empty()) return "is empty" + allowed;
  if (text.size() > password.size()) {
    return "is longer than the field, and keepalived cuts it off after 8 bytes" + allowed;
  }
  if (std::ranges::any_of(text, [](char c) { return c == '\n' || c == '\0'; })) {
    return "has more than one line, or a zero byte" + allowed;
  }
  std::ranges::copy(text, password.begin());
  return password;
}

std::variant<VrrpPassword, std::string> read_v2_password(const std::string& path) {
  const config::FileText file = config::read_file_text(path);
  if (!file.text) return "vip.v2_password_file: " + path + ": " + file.error;
  auto password = parse_v2_password(*file.text);
  if (const auto* problem = std::get_if<std::string>(&password)) {
    return "vip.v2_password_file: " + path + " " + *problem;
  }
  return password;
}

}  // namespace vipward
