#include "lb/proxy/access_log.h"

#include <string>
#include <system_error>
#include <vector>

namespace vipward {

void log_session_end(Log& log, const Service& service, const SessionRecord& record, EndReason reason,
                     TimePoint now) {
  if (!service.config().access_log) return;
  // Probes of a neighbour's health check would drown everything else.
  const LogLevel level = reason == EndReason::ClientLeft ? LogLevel::Debug : LogLevel::Info;
  if (!log.enabled(level)) return;
  const bool established = record.established_at != TimePoint{};
  const std::string client = record.client_address.to_string();
  const std::string own = established ? record.own_address.to_string() : "-";
  const std::string error = std::generic_category().message(record.attempt_error);
  std::vector<LogField> fields{
      {"service", service.config().name},
      {"client", client},
      {"own", own},
      {"backend", record.backend ? std::string_view(service.backend(*record.backend).name) : "-"},
      {"duration_seconds", now - record.accepted_at},
      {"connect_seconds", established ? record.established_at - record.attempt_started_at : Duration::zero()},
      {"bytes_to_backend", record.to_backend.bytes()},
      {"bytes_to_client", record.to_client.bytes()},
      {"attempts", record.plan.attempts()},
      {"reason", to_string(reason)}};
  if (!established && record.attempt_error != 0) fields.emplace_back("error", error);
  log.write(level, "session ended", std::span<const LogField>(fields));
}

}  // namespace vipward
