#include "config/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "lb/net/address.h"

namespace vipward::config {
namespace {

// Enough for any duration in milliseconds, far from an overflow in any unit.
constexpr std::size_t kMostDigits = 11;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool consists_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(
      text, [&](char c) { return is_alphanumeric(c) || others.find(c) != std::string_view::npos; });
}

struct Decimal {
  std::int64_t digits = 0;  // without the point
  std::int64_t scale = 1;   // 10 to the number of digits behind it
  std::string_view rest;
};

std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal result;
  std::size_t i = 0;
  for (; i < text.size() && is_digit(text[i]); ++i) result.digits = result.digits * 10 + (text[i] - '0');
  if (i == 0 || i > kMostDigits) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    const std::size_t start = ++i;
    for (; i < text.size() && is_digit(text[i]); ++i) {
      if (i - start == 3) return std::nullopt;
      result.digits = result.digits * 10 + (text[i] - '0');
      result.scale *= 10;
    }
    if (i == start) return std::nullopt;
  }
  result.rest = text.substr(i);
  return result;
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
  if (text.size() > 2 * kMostDigits) return std::nullopt;
  if (text == "0") return milliseconds{0};
  const auto number = parse_decimal(text);
  if (!number) return std::nullopt;
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits{
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
  const auto* const unit =
      std::ranges::find(kUnits, number->rest, &std::pair<std::string_view, std::int64_t>::first);
  if (unit == kUnits.end()) return std::nullopt;
  std::int64_t scaled = 0;
  if (__builtin_mul_overflow(number->digits, unit->second, &scaled)) return std::nullopt;
  if (scaled % number->scale != 0) return std::nullopt;
  return milliseconds{scaled / number->scale};
}

std::string format_duration(milliseconds duration) {
  const auto ms = duration.count();
  if (ms == 0) return "0s";
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  if (ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
  if (ms < 10'000 || ms % 10 != 0) return std::to_string(ms) + "ms";
  const auto hundredths = ms / 10 % 100;
  return std::to_string(ms / 1000) + (hundredths < 10 ? ".0" : ".") + std::to_string(hundredths) + "s";
}

std::optional<double> parse_percent(std::string_view text) {
  const auto number = parse_decimal(text);
  if (!number || number->rest != "%") return std::nullopt;
  return static_cast<double>(number->digits) / static_cast<double>(number->scale) / 100;
}

std::optional<std::int64_t> parse_whole_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<mode_t> parse_file_mode(std::string_view text) {
  if (text.starts_with("0o")) text.remove_prefix(2);
  if (text.size() < 3 || text.size() > 4) return std::nullopt;
  mode_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc{} || end != text.data() + text.size() || value > 0777) return std::nullopt;
  return value;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && consists_of(text, "._-");
}

bool is_account_name(std::string_view text) {
  return !text.empty() && text.size() <= 32 && text.front() != '-' && consists_of(text, "._-$");
}

bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text != "." && text != ".." &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7f && c != '/' && c != ':'; });
}

bool is_server_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && (consists_of(text, "._-") || IpAddress::parse(text));
}

bool is_request_path(std::string_view text) {
  return text.starts_with('/') && text.size() <= 1024 &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; });
}

}  // namespace vipward::config
