#include "lb/admin/status_json.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "lb/admin/readiness.h"

namespace vipward {
namespace {

using Json = nlohmann::ordered_json;

Json time_json(WallTime time) {
  if (time == WallTime{}) return nullptr;  // never set
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count();
  const std::time_t unix_time = std::chrono::system_clock::to_time_t(seconds);
  std::tm utc{};
  gmtime_r(&unix_time, &utc);
  std::array<char, 40> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 56> text{};
  std::snprintf(text.data(), text.size(), "%s.%03dZ", date.data(), static_cast<int>(millis));
  return text.data();
}

Json check_json(const CheckStatus& check) {
  return {{"ended_at", time_json(check.ended_at)},
          {"result", check.result},
          {"phase", check.phase},
          {"detail", check.detail},
          {"duration_seconds", check.duration_seconds}};
}

Json drain_json(const DrainStatus& drain) {
  return {{"since", time_json(drain.since)},
          {"deadline", drain.deadline ? time_json(*drain.deadline) : Json(nullptr)},
          {"removed", drain.removed}};
}

Json backend_json(const BackendStatus& backend) {
  Json json{{"name", backend.name},
            {"address", backend.address},
            {"state", to_string(backend.state)},
            {"since", time_json(backend.since)},
            {"reason", backend.reason},
            {"connections", backend.connections},
            {"connections_total", backend.connections_total},
            {"connect_failures", backend.connect_failures},
            {"certificate_expires_at", nullptr},
            {"clock_skew_seconds", nullptr},
            {"check_impossible", nullptr},
            {"drained", nullptr},
            {"last_check", nullptr}};
  if (backend.certificate_expiry) json["certificate_expires_at"] = time_json(*backend.certificate_expiry);
  if (backend.clock_skew_seconds) json["clock_skew_seconds"] = *backend.clock_skew_seconds;
  if (backend.impossible_reason) json["check_impossible"] = *backend.impossible_reason;
  if (backend.drain) json["drained"] = drain_json(*backend.drain);
  if (backend.last_check) json["last_check"] = check_json(*backend.last_check);
  return json;
}

Json service_json(const ServiceStatus& service) {
  Json json{{"name", service.name},
            {"listen", service.listen},
            {"departing", service.departing},
            {"usable", serves_sessions(service)},
            {"accepting", service.accepting},
            {"when_none_ready", service.refuses_when_none_ready ? "refuse" : "fail_open"},
            {"lost_listeners", service.lost_listeners},
            {"connections", service.connections},
            {"connections_limit", service.connections_limit},
            {"connections_accepted", service.accepted},
            {"backends", Json::array()}};
  for (const BackendStatus& backend : service.backends) json["backends"].push_back(backend_json(backend));
  return json;
}

Json vip_json(const VipStatus& vip) {
  Json json{{"state", vip.state},
            {"priority", vip.priority},
            {"virtual_router_id", vip.virtual_router_id},
            {"addresses", vip.addresses},
            {"interface", vip.interface},
            {"since", time_json(vip.since)},
            {"reason", vip.reason},
            {"peer", nullptr},
            {"peer_heard_at", time_json(vip.peer_heard_at)},
            {"contested", vip.contested},
            {"warning", nullptr}};
  if (!vip.peer.empty()) json["peer"] = vip.peer;
  if (!vip.warning.empty()) json["warning"] = vip.warning;
  return json;
}

}  // namespace

std::string render_status(const Snapshot& snapshot, WallTime now) {
  const auto uptime = std::chrono::floor<std::chrono::seconds>(now - snapshot.started_at);
  Json json{{"version", snapshot.version},
            {"revision", snapshot.revision},
            {"generation", snapshot.generation},
            {"time", time_json(now)},
            {"started_at", time_json(snapshot.started_at)},
            {"uptime_seconds", uptime.count()},
            {"config_hash", snapshot.config_hash},
            {"config_loaded_at", time_json(snapshot.config_loaded_at)},
            {"last_reload_successful", snapshot.last_reload_successful},
            {"stopping", snapshot.stopping},
            {"vip", nullptr},
            {"services", Json::array()}};
  if (snapshot.vip) json["vip"] = vip_json(*snapshot.vip);
  for (const ServiceStatus& service : snapshot.services) json["services"].push_back(service_json(service));
  // Details may quote what a backend sent: bytes that are not UTF-8 are replaced.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace vipward
