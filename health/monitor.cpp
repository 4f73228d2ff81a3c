#include "health/monitor.h"

#include <algorithm>
#include <utility>

#include "health/target.h"

namespace vipward {
namespace {

// RFC 6750 section 2.1: everything else could end the header, or the request.
bool is_sendable_token(const std::string& token) {
  return std::all_of(token.begin(), token.end(), [](char c) { return c > 32 && c < 127; });
}

TlsContext::Made make_tls(const HealthCheckConfig& config, const CheckMaterial& material) {
  if (config.protocol != CheckProtocol::Https && config.protocol != CheckProtocol::Tls) return {};
  return TlsContext::make(
      config.tls, material,
      config.protocol == CheckProtocol::Https ? TlsContext::Alpn::Http1 : TlsContext::Alpn::None);
}

}  // namespace

struct HealthMonitor::Service {
  explicit Service(std::size_t backend_count) : path(backend_count) {}

  void reconsider_silence() {
    for (const auto& target : targets) target->reconsider_silence();
  }

  ServiceChecks checks;
  PathEvidence path;
  CheckMaterial material;
  std::vector<std::unique_ptr<HealthTarget>> targets;
};

HealthMonitor::HealthMonitor(Loop& loop, Log& log, Random& random, const std::vector<ServiceConfig>& services,
                             const std::function<void(const HealthChange&)>& on_change) {
  for (const ServiceConfig& config : services) {
    auto service = std::make_unique<Service>(config.backends.size());
    service->checks.name = config.name;
    service->checks.config = config.health_check;
    TlsContext::Made made = make_tls(config.health_check, {});
    service->checks.tls = std::move(made.context);
    service->checks.tls_error = std::move(made.error);
    for (const BackendConfig& backend : config.backends) {
      const BackendId id{.service = services_.size(), .backend = service->targets.size()};
      service->targets.push_back(std::make_unique<HealthTarget>(
          HealthTarget::Surroundings{.loop = loop, .log = log, .random = random, .path = service->path},
          service->checks, id, backend, on_change, [of = service.get()] { of->reconsider_silence(); }));
    }
    services_.push_back(std::move(service));
  }
}

HealthMonitor::~HealthMonitor() = default;

std::string HealthMonitor::set_material(std::size_t service_index, CheckMaterial material) {
  Service& service = *services_.at(service_index);
  if (material == service.material) return service.checks.tls_error;
  if (!is_sendable_token(material.bearer_token)) {
    return "bearer_token_file: holds characters that no token has (spaces, line ends, not ASCII)";
  }
  TlsContext::Made made = make_tls(service.checks.config, material);
  if (!made.error.empty()) return made.error;
  service.checks.tls = std::move(made.context);
  service.checks.tls_error.clear();
  service.checks.bearer_token = material.bearer_token;
  service.material = std::move(material);
  for (const auto& target : service.targets) target->drop_tls_sessions();
  return "";
}

void HealthMonitor::start() {
  for (const auto& service : services_) {
    for (const auto& target : service->targets) target->start();
  }
}

void HealthMonitor::on_connect_refused(BackendId backend) {
  services_.at(backend.service)->targets.at(backend.backend)->on_connect_refused();
}

BackendMemory HealthMonitor::memory(BackendId backend) const {
  return services_.at(backend.service)->targets.at(backend.backend)->memory();
}

void HealthMonitor::restore(BackendId backend, const BackendMemory& memory) {
  services_.at(backend.service)->targets.at(backend.backend)->restore(memory);
}

std::vector<std::vector<BackendHealth>> HealthMonitor::snapshot() const {
  std::vector<std::vector<BackendHealth>> result;
  for (const auto& service : services_) {
    std::vector<BackendHealth>& backends = result.emplace_back();
    for (const auto& target : service->targets) backends.push_back(target->snapshot());
  }
  return result;
}

}  // namespace vipward
