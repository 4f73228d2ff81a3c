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

std::string list_endpoints() {
  std::string text;
  for (const Endpoint& endpoint : kEndpoints) {
    text += endpoint.path;
    text.append(16 - endpoint.path.size(), ' ');
    text += endpoint.summary;
    text += '\n';
  }
  return text;
}

}  // namespace

Endpoints::Endpoints(std::function<Snapshot()> take_snapshot) : take_snapshot_(std::move(take_snapshot)) {}

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
  if (request.path == "/") return {.body = "vipward\n\n" + list_endpoints()};
  return {.status = 404, .body = "not found; there are:\n\n" + list_endpoints()};
}

}  // namespace vipward
