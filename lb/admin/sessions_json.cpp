#include "lb/admin/sessions_json.h"

#include <array>
#include <cstdio>

namespace vipward {
namespace {

// Names of the configuration and addresses: nothing in them has to be escaped.
std::string quoted_or_null(std::string_view text) {
  return text.empty() ? "null" : '"' + std::string(text) + '"';
}

}  // namespace

std::string render_sessions(const std::vector<SessionStatus>& sessions) {
  std::string json;
  std::array<char, 160> numbers{};
  for (const SessionStatus& session : sessions) {
    if (!json.empty()) json += ",\n";
    json += R"(  {"service": )" + quoted_or_null(session.service);
    json += R"(, "client": )" + quoted_or_null(session.client);
    json += R"(, "backend": )" + quoted_or_null(session.backend);
    json += R"(, "own": )" + quoted_or_null(session.own);
    json += R"(, "phase": )" + quoted_or_null(session.phase);
    std::snprintf(
        numbers.data(), numbers.size(),
        R"(, "age_seconds": %.3f, "idle_seconds": %.3f, "bytes_to_backend": %llu, "bytes_to_client": %llu})",
        session.age_seconds, session.idle_seconds, static_cast<unsigned long long>(session.bytes_to_backend),
        static_cast<unsigned long long>(session.bytes_to_client));
    json += numbers.data();
  }
  return json;
}

std::string join_sessions(const std::vector<std::string>& parts) {
  std::string json = "{\"sessions\": [";
  bool is_first = true;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    json += (is_first ? "\n" : ",\n") + part;
    is_first = false;
  }
  return json + "\n]}\n";
}

}  // namespace vipward
