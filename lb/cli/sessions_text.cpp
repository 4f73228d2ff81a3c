#include "lb/cli/sessions_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "lb/cli/json_fields.h"
#include "lb/cli/table.h"

namespace vipward {
namespace {

double seconds(const Json& session, const char* key) {
  const Json& value = member(session, key);
  return value.is_number() ? std::clamp(value.get<double>(), 0.0, 1e12) : 0;
}

// "12.3s", "4m05s", "3h12m", "5d07h".
std::string span_text(double value) {
  std::array<char, 32> text{};
  const auto whole = static_cast<long long>(value);
  if (whole < 60) {
    std::snprintf(text.data(), text.size(), "%.1fs", value);
  } else if (whole < 3600) {
    std::snprintf(text.data(), text.size(), "%lldm%02llds", whole / 60, whole % 60);
  } else if (whole < 86'400) {
    std::snprintf(text.data(), text.size(), "%lldh%02lldm", whole / 3600, whole / 60 % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%lldd%02lldh", whole / 86'400, whole / 3600 % 24);
  }
  return text.data();
}

}  // namespace

std::optional<std::string> render_sessions_text(std::string_view json) {
  const Json all = Json::parse(json, nullptr, false);
  if (!member(all, "sessions").is_array()) return std::nullopt;
  std::vector<Json> sessions = list(all, "sessions");
  std::ranges::stable_sort(sessions, std::greater<>(),
                           [](const Json& session) { return seconds(session, "age_seconds"); });
  Table table({"SERVICE", "CLIENT", "BACKEND", "PHASE", "AGE", "IDLE", "TO BACKEND", "TO CLIENT"});
  for (const Json& session : sessions) {
    table.add({text(session, "service"), text(session, "client"), text(session, "backend"),
               text(session, "phase"), span_text(seconds(session, "age_seconds")),
               span_text(seconds(session, "idle_seconds")),
               std::to_string(number(session, "bytes_to_backend")),
               std::to_string(number(session, "bytes_to_client"))});
  }
  const std::string summary = plural(sessions.size(), "session") + '\n';
  return sessions.empty() ? summary : summary + table.to_string();
}

}  // namespace vipward
