#include "lb/vip/v2_password.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "lb/net/fd.h"

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
  // It may be a link, as secrets often are; a pipe must not hold us.
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  std::array<char, 64> text{};  // what is longer is wrong anyway
  const ssize_t size = fd ? read(fd.get(), text.data(), text.size()) : -1;
  if (size < 0) return "vip.v2_password_file: " + path + ": " + std::generic_category().message(errno);
  auto password = parse_v2_password({text.data(), static_cast<std::size_t>(size)});
  if (const auto* problem = std::get_if<std::string>(&password)) {
    return "vip.v2_password_file: " + path + " " + *problem;
  }
  return password;
}

}  // namespace vipward
