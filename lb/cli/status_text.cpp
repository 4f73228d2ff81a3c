#include "lb/cli/status_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "lb/cli/json_fields.h"
#include "lb/cli/table.h"
#include "lb/cli/vip_text.h"

namespace vipward {
namespace {

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
  std::uint64_t backends = 0;  // that are not drained
  std::uint64_t drained = 0;
  std::uint64_t drained_connections = 0;
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
  std::string problems;
  const auto add = [&](const std::string& problem) { problems += (problems.empty() ? "" : ", ") + problem; };
  if (number(service, "lost_listeners") > 0)
    add("a listener is lost, clients are refused there: restart vipward");
  else if (!is_true(service, "accepting"))
    add("accepts nothing new, no descriptors left");
  for (const Json& backend : backends) {
    // As somebody wished: no problem, and no backend that could be ready.
    if (member(backend, "drained").is_object()) {
      ++verdict.drained;
      verdict.drained_connections += number(backend, "connections");
      continue;
    }
    ++verdict.backends;
    if (text(backend, "state") == "ready")
      ++verdict.ready;
    else
      add(backend_problem(backend, now));
    if (const std::string reason = text(backend, "check_impossible"); !reason.empty())
      add(text(backend, "name") + " cannot be checked: " + reason);
  }
  verdict.down = !is_true(service, "usable") && !is_true(service, "departing");
  if (verdict.down) problems = "no usable backend (" + count_states(backends) + ')';
  if (!problems.empty()) verdict.problem = text(service, "name") + ": " + problems;
  return verdict;
}

std::string first_line(const Json& status, const std::vector<Json>& services, bool& fine) {
  const std::string now = text(status, "time");
  const VipVerdict vip = judge_vip(member(status, "vip"), now);
  std::string down = vip.down ? vip.problem : "";
  std::string degraded = vip.down ? "" : vip.problem;
  Verdict sum;
  std::uint64_t connections = 0;
  for (const Json& service : services) {
    const Verdict verdict = judge(service, now);
    std::string& problems = verdict.down ? down : degraded;
    if (!verdict.problem.empty()) problems += (problems.empty() ? "" : "; ") + verdict.problem;
    sum.ready += verdict.ready;
    sum.backends += verdict.backends;
    sum.drained += verdict.drained;
    sum.drained_connections += verdict.drained_connections;
    connections += number(service, "connections");
  }
  fine = false;
  if (is_true(status, "stopping")) return "DOWN: vipward is stopping";
  if (!down.empty()) return "DOWN: " + down + (degraded.empty() ? "" : "; " + degraded);
  if (!degraded.empty()) return "degraded: " + degraded;
  fine = true;
  std::string line = "fine: " + vip.clause + std::to_string(sum.ready) + " of " +
                     plural(sum.backends, "backend") + " ready, ";
  if (sum.drained > 0)
    line +=
        std::to_string(sum.drained) + " drained with " + plural(sum.drained_connections, "connection") + ", ";
  return line + plural(connections, "connection");
}

std::string service_text(const Json& service, const std::string& now) {
  std::string result = text(service, "name");
  if (const std::string addresses = joined(service, "listen"); !addresses.empty())
    result += " on " + addresses;
  result += ": " + std::to_string(number(service, "connections")) + " of at most " +
            plural(number(service, "connections_limit"), "connection") + '\n';
  Table table({"BACKEND", "ADDRESS", "STATE", "SINCE", "CONNECTIONS", "CERTIFICATE", "LAST CHECK"});
  for (const Json& backend : list(service, "backends"))
    table.add({text(backend, "name"), text(backend, "address"), text(backend, "state"),
               short_time(text(backend, "since"), now), std::to_string(number(backend, "connections")),
               certificate_text(backend, now), check_text(backend)});
  result += table.to_string();
  for (const Json& backend : list(service, "backends")) {
    if (member(backend, "drained").is_object())
      result += "  " + text(backend, "name") + ": " + text(backend, "reason") + ", " +
                plural(number(backend, "connections"), "session") + " left\n";
  }
  return result;
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
  const std::string now = text(status, "time");
  result.text += vip_block(member(status, "vip"), now);
  for (const Json& service : services) result.text += service_text(service, now) + '\n';
  result.text += last_line(status);
  return result;
}

}  // namespace vipward
