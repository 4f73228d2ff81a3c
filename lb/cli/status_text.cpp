#include "lb/cli/status_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "lb/cli/table.h"

namespace vipward {
namespace {

using Json = nlohmann::json;

// Reading leniently: a field that is missing or of another type counts as empty, so that a newer daemon's
// status stays readable.

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

// "09:12:31Z"; with its date in front where that is not `now`'s; "-" if there is none.
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

std::string certificate_text(const Json& backend, const std::string& now) {
  const auto expiry = parse_time(text(backend, "certificate_expires_at"));
  const auto today = parse_time(now);
  if (!expiry || !today) return "-";
  if (*expiry <= *today) return "expired";
  return plural(static_cast<std::uint64_t>(std::chrono::floor<std::chrono::days>(*expiry - *today).count()),
                "day");
}

std::string check_text(const Json& backend) {
  if (const std::string reason = text(backend, "check_impossible"); !reason.empty())
    return "impossible: " + reason;
  const Json& check = member(backend, "last_check");
  if (!check.is_object()) return "none yet";
  const Json& duration = member(check, "duration_seconds");
  const double millis = duration.is_number() ? duration.get<double>() * 1000 : 0;
  std::string result = text(check, "result") + " (" + text(check, "phase") + ", " +
                       std::to_string(std::llround(std::clamp(millis, 0.0, 1e9))) + " ms)";
  if (const std::string detail = text(check, "detail"); !detail.empty()) result += ": " + detail;
  return result;
}

// One service, as the first line needs it.
struct Verdict {
  bool down = false;
  std::string problem;  // empty: none
  std::uint64_t ready = 0;
  std::uint64_t backends = 0;
};

std::string count_states(const std::vector<Json>& backends) {
  std::string result;
  for (const char* state : {"unknown", "not_ready", "dead", "drained"}) {
    const auto count = std::count_if(backends.begin(), backends.end(),
                                     [&](const Json& backend) { return text(backend, "state") == state; });
    if (count > 0) result += (result.empty() ? "" : ", ") + std::to_string(count) + ' ' + state;
  }
  return result;
}

std::string backend_problem(const Json& backend, const std::string& now) {
  std::string problem = text(backend, "name") + ' ' + text(backend, "state");
  problem += " since " + short_time(text(backend, "since"), now);
  if (const std::string reason = text(backend, "reason"); !reason.empty()) problem += " (" + reason + ')';
  return problem;
}

Verdict judge(const Json& service, const std::string& now) {
  const std::vector<Json> backends = list(service, "backends");
  Verdict verdict;
  verdict.backends = backends.size();
  std::string problems;
  const auto add = [&](const std::string& problem) { problems += (problems.empty() ? "" : ", ") + problem; };
  if (number(service, "lost_listeners") > 0)
    add("a listener is lost, clients are refused there: restart vipward");
  else if (!is_true(service, "accepting"))
    add("accepts nothing new, no descriptors left");
  for (const Json& backend : backends) {
    if (text(backend, "state") == "ready")
      ++verdict.ready;
    else
      add(backend_problem(backend, now));
    if (const std::string reason = text(backend, "check_impossible"); !reason.empty())
      add(text(backend, "name") + " cannot be checked: " + reason);
  }
  verdict.down = !is_true(service, "usable");
  if (verdict.down) problems = "no usable backend (" + count_states(backends) + ')';
  if (!problems.empty()) verdict.problem = text(service, "name") + ": " + problems;
  return verdict;
}

std::string first_line(const Json& status, const std::vector<Json>& services, bool& fine) {
  const std::string now = text(status, "time");
  std::string down;
  std::string degraded;
  Verdict sum;
  std::uint64_t connections = 0;
  for (const Json& service : services) {
    const Verdict verdict = judge(service, now);
    std::string& problems = verdict.down ? down : degraded;
    if (!verdict.problem.empty()) problems += (problems.empty() ? "" : "; ") + verdict.problem;
    sum.ready += verdict.ready;
    sum.backends += verdict.backends;
    connections += number(service, "connections");
  }
  fine = false;
  if (is_true(status, "stopping")) return "DOWN: vipward is stopping";
  if (!down.empty()) return "DOWN: " + down + (degraded.empty() ? "" : "; " + degraded);
  if (!degraded.empty()) return "degraded: " + degraded;
  fine = true;
  return "fine: " + std::to_string(sum.ready) + " of " + plural(sum.backends, "backend") + " ready, " +
         plural(connections, "connection");
}

std::string service_text(const Json& service, const std::string& now) {
  std::string result = text(service, "name");
  const char* separator = " on ";
  for (const Json& address : list(service, "listen")) {
    if (address.is_string()) result += separator + printable(address.get<std::string>());
    separator = ", ";
  }
  result += ": " + std::to_string(number(service, "connections")) + " of at most " +
            plural(number(service, "connections_limit"), "connection") + '\n';
  Table table({"BACKEND", "ADDRESS", "STATE", "SINCE", "CONNECTIONS", "CERTIFICATE", "LAST CHECK"});
  for (const Json& backend : list(service, "backends"))
    table.add({text(backend, "name"), text(backend, "address"), text(backend, "state"),
               short_time(text(backend, "since"), now), std::to_string(number(backend, "connections")),
               certificate_text(backend, now), check_text(backend)});
  return result + table.to_string();
}

std::string last_line(const Json& status) {
  const std::string revision = text(status, "revision");
  return "vipward " + text(status, "version") + (revision.empty() ? "" : " (" + revision + ')') +
         ", generation " + std::to_string(number(status, "generation")) + ", since " +
         short_time(text(status, "started_at"), text(status, "time")) + ", configuration " +
         text(status, "config_hash") + '\n';
}

}  // namespace

std::optional<StatusText> render_status_text(std::string_view json) {
  const Json status = Json::parse(json, nullptr, false);
  if (!member(status, "services").is_array() || !member(status, "version").is_string()) return std::nullopt;
  const std::vector<Json> services = list(status, "services");
  StatusText result;
  result.text = first_line(status, services, result.fine) + "\n\n";
  for (const Json& service : services) result.text += service_text(service, text(status, "time")) + '\n';
  result.text += last_line(status);
  return result;
}

}  // namespace vipward
