#include "config/problems.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace vipward::config {
namespace {

constexpr std::size_t kLongestQuote = 64;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

void append_escaped(std::string& out, unsigned char byte) {
  std::array<char, 5> escape{};
  std::snprintf(escape.data(), escape.size(), "\\x%02x", byte);
  out += escape.data();
}

}  // namespace

void Problems::add(Position position, std::string_view path, std::string_view what) {
  std::string text(path);
  if (!path.empty()) text += ": ";
  text += what;
  found_.push_back({position, std::move(text)});
}

std::vector<std::string> Problems::lines(const std::string& file) const {
  std::vector<Problem> sorted = found_;
  std::ranges::stable_sort(sorted, {}, &Problem::position);
  std::vector<std::string> result;
  result.reserve(sorted.size());
  for (const Problem& problem : sorted) {
    result.push_back(file + ":" + std::to_string(problem.position.line) + ":" +
                     std::to_string(problem.position.column) + ": " + problem.text);
  }
  return result;
}

std::string quoted(std::string_view text) {
  const bool shortened = text.size() > kLongestQuote;
  if (shortened) {
    text = text.substr(0, kLongestQuote);
    // Not in the middle of a UTF-8 sequence.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.remove_suffix(1);
  }
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, the C1 controls, are c2 80 to c2 9f.
    const bool second_of_c1 = i > 0 && static_cast<unsigned char>(text[i - 1]) == 0xc2 && byte < 0xa0;
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && second_of_c1)) {
      append_escaped(out, byte);
    } else {
      if (byte == '"' || byte == '\\') out += '\\';
      out += text[i];
    }
  }
  return out + (shortened ? "...\"" : "\"");
}

std::string path_of_key(std::string_view path, std::string_view key) {
  const bool plain = !key.empty() && key.size() <= kLongestQuote && std::ranges::all_of(key, is_plain);
  std::string result(path);
  if (!path.empty()) result += '.';
  return result + (plain ? std::string(key) : quoted(key));
}

std::string path_of_item(std::string_view path, std::size_t index) {
  return std::string(path) + "[" + std::to_string(index) + "]";
}

}  // namespace vipward::config
