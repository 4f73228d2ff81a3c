#include "lb/app/proxy_app.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "lb/app/guardian_part.h"
#include "lb/app/snapshot_builder.h"

namespace vipward {
namespace {

std::function<void()> stamping(Loop& loop, channel::VitalsPage& page, std::size_t slot) {
  // Asked for on the thread it is about, every time: a system call that costs nothing at this rate.
  return
      [&loop, writer = channel::VitalsWriter(page, slot)]() mutable { writer.stamp(loop.now(), gettid()); };
}

std::vector<IpAddress> vips_of(const Config& config) {
  std::vector<IpAddress> vips;
  if (config.vip) {
    for (const Cidr& vip : config.vip->addresses) vips.push_back(vip.address);
  }
  return vips;
}

LivingBackends nobody_known(const Config& config) {
  LivingBackends living;
  for (const ServiceConfig& service : config.services) living.add_service(service.backends.size());
  return living;
}

}  // namespace

ProxyApp::ProxyApp(Loop& loop, Log& log, Config config, Options options, channel::VitalsPage& vitals,
                   Tell tell)
    : loop_(loop),
      log_(log),
      config_(std::move(config)),
      options_(options),
      vitals_(vitals),
      tell_(std::move(tell)),
      vips_(vips_of(config_)),
      living_(nobody_known(config_)),
      monitor_(loop_, log_, random_, config_.services,
               [this](const HealthChange& change) { on_health_change(change); }),
      files_(log_, config_.services,
             [this](std::size_t service, CheckMaterial material) {
               return monitor_.set_material(service, std::move(material));
             }),
      loop_lag_(loop_, loop_lag_histogram_),
      heartbeat_(loop_, channel::kVitalsInterval, stamping(loop_, vitals_, 0)),
      endpoints_([this] { return snapshot(); }),
      control_server_(loop_, log_, {},
                      [this](const HttpRequest& request) { return endpoints_.handle(request); }),
      started_at_(std::chrono::system_clock::now()) {
  load_.capacity = options_.capacity;
  for (const ServiceConfig& service : config_.services) load_.services.emplace_back(service.backends.size());
}

ProxyApp::~ProxyApp() = default;

bool ProxyApp::add_listeners(channel::ServiceListeners message) {
  if (is_serving_ || message.service >= config_.services.size()) return false;
  listeners_.push_back(std::move(message));
  return true;
}

bool ProxyApp::add_admin_listeners(channel::AdminListeners message) {
  if (is_serving_) return false;
  std::ranges::move(message.sockets, std::back_inserter(admin_listeners_));
  return true;
}

bool ProxyApp::take_files(const channel::CheckFiles& message) {
  if (message.service >= config_.services.size()) return false;
  if (is_serving_) {
    files_.reload(message);
  } else if (std::string problem = files_.load(message); !problem.empty()) {
    file_problems_.push_back(std::move(problem));
  }
  return true;
}

std::vector<std::string> ProxyApp::start() {
  std::vector<std::string> problems;
  // A proxy that takes a dead one's place serves with what it has: the checks stop, the clients need not.
  if (options_.generation <= 1) problems.swap(file_problems_);
  for (const std::string& problem : std::exchange(file_problems_, {})) {
    log_.error("check files cannot be used", {{"problem", problem}});
  }
  for (std::size_t i = 0; i < config_.services.size(); ++i) {
    const auto is_its = [i](const channel::ServiceListeners& of) { return of.service == i; };
    if (std::ranges::none_of(listeners_, is_its)) {
      problems.push_back(config_.services[i].name + ": no listener was passed to the proxy");
    }
  }
  if (!problems.empty()) return problems;
  is_serving_ = true;
  open_admin_servers();
  monitor_.start();
  start_workers();
  tell_(channel::Ready{});
  return {};
}

void ProxyApp::open_admin_servers() {
  for (Fd& listener : admin_listeners_) {
    HttpServer::Options options;
    options.allow = config_.admin.allow;
    admin_servers_.push_back(std::make_unique<HttpServer>(
        loop_, log_, std::move(listener), std::move(options),
        [this](const HttpRequest& request) { return endpoints_.handle(request); }));
  }
  admin_listeners_.clear();
}

void ProxyApp::start_workers() {
  for (auto& listeners : listeners_by_worker()) {
    WorkerSlot& slot = workers_.emplace_back();
    for (const ServiceConfig& service : config_.services) {
      slot.counters.services.emplace_back(service.backends.size());
    }
    slot.thread = std::make_unique<WorkerThread>([&](Loop& loop) {
      auto worker = make_worker(loop, slot, std::move(listeners));
      worker->refuse_on(unheld_vips());
      return worker;
    });
  }
}

std::unique_ptr<Worker> ProxyApp::make_worker(Loop& loop, WorkerSlot& slot,
                                              std::vector<ServiceListener> listeners) {
  return std::make_unique<Worker>(
      loop, log_, config_.services, std::move(listeners), load_, slot.counters,
      Worker::Callbacks{.on_connect_refused =
                            [this](BackendId backend) {
                              loop_.post([this, backend] { monitor_.on_connect_refused(backend); });
                            },
                        .on_beat = stamping(loop, vitals_, workers_.size())});
}

// Of the sockets on an address worker i of W gets number i, i + W ...
std::vector<std::vector<ServiceListener>> ProxyApp::listeners_by_worker() {
  const std::size_t workers =
      std::clamp<std::size_t>(config_.workers.value_or(1), 1, channel::kVitalsSlots - 1);
  std::vector<std::vector<ServiceListener>> result(workers);
  for (channel::ServiceListeners& address : listeners_) {
    for (std::size_t i = 0; i < address.sockets.size(); ++i) {
      result[i % workers].push_back({.service = address.service, .socket = std::move(address.sockets[i])});
    }
  }
  listeners_.clear();
  return result;
}

void ProxyApp::on_health_change(const HealthChange& change) {
  if (stopping_) return;  // a check that ended between the command and the loop's end: no worker is left
  const BackendStanding standing{.state = change.state,
                                 .dead_cause = change.dead_cause,
                                 .may_be_our_path = change.may_be_our_path,
                                 .since = change.since};
  for (WorkerSlot& worker : workers_) {
    worker.thread->post(
        [backend = change.backend, standing](Worker& target) { target.set_standing(backend, standing); });
  }
  if (living_.set(change.backend, change.state)) {
    tell_(channel::Backends{.every_service_has_living = living_.every_service().value()});
  }
}

void ProxyApp::set_guardian_status(channel::GuardianStatus status) {
  guardian_status_ = std::move(status);
  refuse_unheld_vips();
}

// Until the guardian has said anything nobody is refused.
std::vector<IpAddress> ProxyApp::unheld_vips() const {
  const bool held = !guardian_status_ || !guardian_status_->vip ||
                    guardian_status_->vip->state == channel::VipState::Active;
  return held ? std::vector<IpAddress>() : vips_;
}

void ProxyApp::refuse_unheld_vips() {
  if (stopping_) return;
  for (WorkerSlot& worker : workers_) {
    worker.thread->post([refused = unheld_vips()](Worker& target) { target.refuse_on(refused); });
  }
}

void ProxyApp::release() {
  if (stopping_) return;
  const auto release = std::make_shared<Release>();  // owners: the workers' answers
  release->workers_left = workers_.size();
  if (workers_.empty()) return tell_(channel::SessionsReset{.count = 0});
  for (WorkerSlot& worker : workers_) {
    worker.thread->post([this, release, vips = vips_](Worker& target) {
      // Who is still in the queue must not slip in after it.
      target.refuse_on(vips);
      const std::uint32_t count = target.reset_on(vips);
      loop_.post([this, release, count] { on_worker_released(release, count); });
    });
  }
}

void ProxyApp::on_worker_released(const std::shared_ptr<Release>& release, std::uint32_t count) {
  release->sessions_reset += count;
  if (--release->workers_left > 0) return;
  log_.info("released, clients of the virtual address are reset", {{"connections", release->sessions_reset}});
  tell_(channel::SessionsReset{.count = release->sessions_reset});
}

void ProxyApp::adopt(Fd connection) {
  control_server_.adopt(std::move(connection));
}

void ProxyApp::stop() {
  if (std::exchange(stopping_, true)) return;
  for (WorkerSlot& worker : workers_) worker.thread.reset();
}

Snapshot ProxyApp::snapshot() const {
  SnapshotBuilder builder(config_, monitor_.snapshot(), load_);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    builder.add_worker("worker-" + std::to_string(i), workers_[i].counters);
  }
  Snapshot result = std::move(builder).finish();
  result.loop_lag.emplace_back("control", loop_lag_histogram_.snapshot());
  if (guardian_status_) add_guardian_part(result, *guardian_status_);
  result.generation = options_.generation;
  result.stopping = stopping_;
  result.started_at = started_at_;
  result.config_loaded_at = started_at_;
  result.log_lines_dropped = log_.dropped();
  return result;
}

}  // namespace vipward
