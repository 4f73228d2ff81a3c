#include "lb/admin/endpoints.h"

#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "lb/admin/metrics.h"
#include "lb/admin/process_stats.h"
#include "lb/admin/readiness.h"
#include "lb/admin/status_json.h"

namespace vipward {
namespace {

struct Endpoint {
  std::string_view path;
  std::string_view summary;
};
constexpr std::array kEndpoints{
    Endpoint{"/metrics", "metrics for Prometheus"},
    Endpoint{"/livez", "200 while this process works"},
    Endpoint{"/readyz", "200 while every service has a living backend, else 503; says which has none"},
    Endpoint{"/api/v1/status", "services, backends and their checks as JSON"},
};

constexpr Endpoint kSessions{"/api/v1/sessions", "who is connected as JSON"};

std::string line_of(const Endpoint& endpoint) {
  return std::string(endpoint.path) + std::string(18 - endpoint.path.size(), ' ') +
         std::string(endpoint.summary) + '\n';
}

}  // namespace

Endpoints::Endpoints(std::function<Snapshot()> take_snapshot) : take_snapshot_(std::move(take_snapshot)) {}

Endpoints::Endpoints(std::function<Snapshot()> take_snapshot, ListSessions list_sessions)
    : take_snapshot_(std::move(take_snapshot)), list_sessions_(std::move(list_sessions)) {}

std::string Endpoints::list() const {
  std::string text;
  for (const Endpoint& endpoint : kEndpoints) text += line_of(endpoint);
  if (list_sessions_) text += line_of(kSessions);
  return text;
}

HttpResponse Endpoints::handle(const HttpRequest& request) const {
  if (request.path == "/metrics")
    return {.content_type = kMetricsContentType,
            .body = render_metrics(take_snapshot_(), read_process_stats())};
  if (request.path == "/livez") return {.body = "ok\n"};
  if (request.path == "/readyz") {
    Readiness readiness = assess_readiness(take_snapshot_());
    return {.status = readiness.ready ? 200 : 503, .body = std::move(readiness.text)};
  }
  if (request.path == "/api/v1/status")
    return {.content_type = "application/json",
            .body = render_status(take_snapshot_(), std::chrono::system_clock::now())};
  if (request.path == kSessions.path && list_sessions_) {
    return {.later = [this](HttpReply reply) {
      list_sessions_([reply = std::move(reply)](std::string json) {
        reply({.content_type = "application/json", .body = std::move(json)});
      });
    }};
  }
  if (request.path == "/") return {.body = "vipward\n\n" + list()};
  return {.status = 404, .body = "not found; there are:\n\n" + list()};
}

}  // namespace vipward
