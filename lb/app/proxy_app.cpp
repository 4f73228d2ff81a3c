#include "lb/app/proxy_app.h"

#include <csignal>
#include <utility>

#include "lb/app/snapshot_builder.h"

namespace vipward {

ProxyApp::ProxyApp(Log& log, Config config, std::uint32_t capacity)
    : log_(log),
      config_(std::move(config)),
      monitor_(loop_, log_, random_, config_.services,
               [this](const HealthChange& change) { on_health_change(change); }),
      files_(loop_, log_, config_.services,
             [this](std::size_t service, CheckMaterial material) {
               return monitor_.set_material(service, std::move(material));
             }),
      loop_lag_(loop_, loop_lag_histogram_),
      endpoints_([this] { return snapshot(); }),
      started_at_(std::chrono::system_clock::now()) {
  load_.capacity = capacity;
  for (const ServiceConfig& service : config_.services) load_.services.emplace_back(service.backends.size());
}

ProxyApp::~ProxyApp() = default;

std::vector<std::string> ProxyApp::prepare() {
  return files_.load();
}

void ProxyApp::run(AppListeners listeners) {
  for (const auto& [number, name] : {std::pair{SIGTERM, "SIGTERM"}, std::pair{SIGINT, "SIGINT"}}) {
    signals_.push_back(std::make_unique<SignalWatch>(loop_, number, [this, name = name] { stop(name); }));
  }
  signals_.push_back(std::make_unique<SignalWatch>(
      loop_, SIGHUP, [this] { log_.warn("SIGHUP ignored: reload is planned, not in this version"); }));
  for (Fd& listener : listeners.admin) open_server(std::move(listener));
  open_server(std::move(listeners.control));
  monitor_.start();
  files_.watch();
  start_workers(std::move(listeners.services));
  loop_.run();
  servers_.clear();
  signals_.clear();
}

void ProxyApp::open_server(Fd listener) {
  HttpServer::Options options;
  options.allow = config_.admin.allow;
  servers_.push_back(std::make_unique<HttpServer>(
      loop_, log_, std::move(listener), std::move(options),
      [this](const HttpRequest& request) { return endpoints_.handle(request); }));
}

void ProxyApp::start_workers(std::vector<std::vector<ServiceListener>> listeners) {
  for (auto& of_worker : listeners) {
    WorkerSlot& slot = workers_.emplace_back();
    for (const ServiceConfig& service : config_.services)
      slot.counters.services.emplace_back(service.backends.size());
    slot.thread = std::make_unique<WorkerThread>([&](Loop& loop) {
      return std::make_unique<Worker>(loop, log_, config_.services, std::move(of_worker), load_,
                                      slot.counters, [this](BackendId backend) {
                                        loop_.post([this, backend] { monitor_.on_connect_refused(backend); });
                                      });
    });
  }
}

void ProxyApp::on_health_change(const HealthChange& change) {
  if (stopping_) return;  // a check that ended between the signal and the loop's end: no worker is left
  const BackendStanding standing{.state = change.state,
                                 .dead_cause = change.dead_cause,
                                 .may_be_our_path = change.may_be_our_path,
                                 .since = change.since};
  for (WorkerSlot& worker : workers_) {
    worker.thread->post(
        [backend = change.backend, standing](Worker& target) { target.set_standing(backend, standing); });
  }
}

void ProxyApp::stop(std::string_view signal) {
  if (std::exchange(stopping_, true)) return;
  log_.info("stopping, every client is reset",
            {{"signal", signal}, {"connections", load_.sessions.load(std::memory_order_relaxed)}});
  for (WorkerSlot& worker : workers_) worker.thread.reset();
  loop_.stop();
}

Snapshot ProxyApp::snapshot() const {
  SnapshotBuilder builder(config_, monitor_.snapshot(), load_);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    builder.add_worker("worker-" + std::to_string(i), workers_[i].counters);
  }
  Snapshot result = std::move(builder).finish();
  result.loop_lag.emplace_back("control", loop_lag_histogram_.snapshot());
  result.stopping = stopping_;
  result.started_at = started_at_;
  result.config_loaded_at = started_at_;
  result.log_lines_dropped = log_.dropped();
  return result;
}

}  // namespace vipward
