#include "health/http_date.h"

#include <array>
#include <cstddef>

namespace vipward {
namespace {

constexpr std::string_view kPattern = "aaa, 00 aaa 0000 00:00:00 GMT";

bool fits_pattern(std::string_view text) {
  if (text.size() != kPattern.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    switch (kPattern[i]) {
      case '0':
        if (c < '0' || c > '9') return false;
        break;
      case 'a':
        if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z')) return false;
        break;
      default:
        if (c != kPattern[i]) return false;
    }
  }
  return true;
}

int number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = 10 * value + (c - '0');
  return value;
}

unsigned month_number(std::string_view name) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (unsigned i = 0; i < kMonths.size(); ++i) {
    if (kMonths[i] == name) return i + 1;
  }
  return 0;
}

}  // namespace

std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text) {
  if (!fits_pattern(text)) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year{number(text.substr(12, 4))},
                                        std::chrono::month{month_number(text.substr(8, 3))},
                                        std::chrono::day{static_cast<unsigned>(number(text.substr(5, 2)))}};
  const int hours = number(text.substr(17, 2));
  const int minutes = number(text.substr(20, 2));
  const int seconds = number(text.substr(23, 2));
  // 60 is a leap second.
  if (!day.ok() || hours > 23 || minutes > 59 || seconds > 60) return std::nullopt;
  return std::chrono::sys_days{day} + std::chrono::hours{hours} + std::chrono::minutes{minutes} +
         std::chrono::seconds{seconds};
}

double clock_skew_seconds(std::chrono::sys_seconds date, std::chrono::system_clock::time_point sent,
                          std::chrono::system_clock::time_point received) {
  using Seconds = std::chrono::duration<double>;
  const double stamp = Seconds(date.time_since_epoch()).count();
  const double earliest = stamp - Seconds(received.time_since_epoch()).count();
  const double latest = stamp + 1 - Seconds(sent.time_since_epoch()).count();
  if (earliest <= 0 && latest >= 0) return 0;
  return (earliest + latest) / 2;
}

}  // namespace vipward
