#include "lb/cli/json_fields.h"

#include <cstdio>

#include "lb/cli/table.h"

namespace vipward {

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : kNull;
}

std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? printable(value.get<std::string>()) : "";
}

std::uint64_t number(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

bool is_true(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_boolean() && value.get<bool>();
}

std::vector<Json> list(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_array() ? value.get<std::vector<Json>>() : std::vector<Json>();
}

std::string joined(const Json& object, const char* key) {
  std::string result;
  for (const Json& item : list(object, key))
    if (item.is_string()) result += (result.empty() ? "" : ", ") + printable(item.get<std::string>());
  return result;
}

std::string short_time(const std::string& time, const std::string& now) {
  constexpr std::size_t kDate = 10;
  constexpr std::size_t kSeconds = 19;
  if (time.size() < kSeconds || time[kDate] != 'T') return "-";
  const std::string of_day = time.substr(kDate + 1, kSeconds - kDate - 1) + 'Z';
  return now.substr(0, kDate) == time.substr(0, kDate) ? of_day : time.substr(0, kDate) + ' ' + of_day;
}

std::optional<std::chrono::sys_seconds> parse_time(const std::string& time) {
  int year = 0;
  unsigned month = 0, day = 0;
  int hour = 0, minute = 0, second = 0;
  if (std::sscanf(time.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) != 6)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::string plural(std::uint64_t count, const char* noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace vipward
