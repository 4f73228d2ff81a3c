#include "lb/app/session_list.h"

#include <algorithm>

#include "lb/admin/sessions_json.h"

namespace vipward {
namespace {

std::string_view phase_text(SessionPhase phase) {
  switch (phase) {
    case SessionPhase::FirstData:
      return "first_data";
    case SessionPhase::Connecting:
      return "connecting";
    case SessionPhase::Relaying:
      return "relaying";
    case SessionPhase::Ended:
      break;
  }
  return "ended";
}

double seconds(Duration duration) {
  return std::max(0.0, std::chrono::duration<double>(duration).count());
}

}  // namespace

std::string list_sessions(const Worker& worker, const std::vector<ServiceConfig>& services, TimePoint now) {
  std::vector<SessionStatus> all;
  all.reserve(worker.sessions());
  worker.for_each([&](const SessionRecord& record) {
    const bool is_relaying = record.phase == SessionPhase::Relaying;
    SessionStatus& session = all.emplace_back();
    session.service = services[record.service].name;
    session.client = record.client_address.to_string();
    if (record.backend) session.backend = services[record.service].backends[*record.backend].name;
    if (is_relaying) session.own = record.own_address.to_string();
    session.phase = phase_text(record.phase);
    session.age_seconds = seconds(now - record.accepted_at);
    session.idle_seconds = seconds(now - (is_relaying ? record.last_activity_at : record.accepted_at));
    session.bytes_to_backend = record.to_backend.bytes();
    session.bytes_to_client = record.to_client.bytes();
  });
  return render_sessions(all);
}

}  // namespace vipward
