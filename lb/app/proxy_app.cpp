#include "lb/app/proxy_app.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "lb/admin/sessions_json.h"
#include "lb/app/guardian_part.h"
#include "lb/app/session_list.h"
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

ProxyApp::ProxyApp(Loop& loop, Log& log, Config config,
                   const std::vector<channel::DepartingBackend>& departing, Options options,
                   channel::VitalsPage& vitals, Tell tell)
    : loop_(loop),
      log_(log),
      config_(std::move(config)),
      services_(effective_services(config_.services, departing)),
      options_(options),
      vitals_(vitals),
      tell_(std::move(tell)),
      vips_(vips_of(config_)),
      workers_({.loop = loop,
                .log = log,
                .services = services_.services,
                .load = load_,
                .vitals = vitals,
                .on_connect_refused = [this](BackendId backend) { monitor_.on_connect_refused(backend); }}),
      standings_(services_, loop.now(), std::chrono::system_clock::now()),
      living_(nobody_known(config_)),
      monitor_(loop_, log_, random_, services_.services,
               [this](const HealthChange& change) { on_health_change(change); }),
      files_(log_, config_.services,
             [this](std::size_t service, CheckMaterial material) {
               return monitor_.set_material(service, std::move(material));
             }),
      loop_lag_(loop_, loop_lag_histogram_),
      heartbeat_(loop_, channel::kVitalsInterval, stamping(loop_, vitals_, 0)),
      endpoints_([this] { return snapshot(); }),
      control_endpoints_([this] { return snapshot(); },
                         [this](const std::function<void(std::string)>& answer) { list_sessions(answer); }),
      control_server_(loop_, log_, {},
                      [this](const HttpRequest& request) { return control_endpoints_.handle(request); }),
      started_at_(std::chrono::system_clock::now()),
      list_anyway_(loop, [this] { list_sessions_at_last(); }),
      look_for_empty_(loop, [this] { leave_if_empty(); }) {
  load_.capacity = options_.capacity;
  for (const ServiceConfig& service : services_.services)
    load_.services.emplace_back(service.backends.size());
}

ProxyApp::~ProxyApp() = default;

bool ProxyApp::add_listeners(channel::ServiceListeners message) {
  if (is_prepared_ || message.service >= config_.services.size()) return false;
  listeners_.push_back(std::move(message));
  return true;
}

bool ProxyApp::add_admin_listeners(channel::AdminListeners message) {
  if (is_prepared_) return false;
  std::ranges::move(message.sockets, std::back_inserter(admin_listeners_));
  return true;
}

bool ProxyApp::take_files(const channel::CheckFiles& message) {
  if (message.service >= config_.services.size()) return false;
  if (is_prepared_) {
    files_.reload(message);
  } else if (std::string problem = files_.load(message); !problem.empty()) {
    file_problems_.push_back(std::move(problem));
  }
  return true;
}

std::vector<std::string> ProxyApp::prepare(BadFiles bad_files) {
  std::vector<std::string> problems;
  if (bad_files == BadFiles::Refuse) problems.swap(file_problems_);
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
  workers_.start(options_.workers);
  is_prepared_ = true;
  // What was known before there were workers.
  for (std::size_t i = 0; i < services_.services.size(); ++i) {
    for (std::size_t j = 0; j < services_.services[i].backends.size(); ++j)
      if (standings_.of({.service = i, .backend = j}).drain) tell_standing({.service = i, .backend = j});
  }
  refuse_unheld_vips();
  return {};
}

void ProxyApp::serve() {
  if (stopping_ || std::exchange(is_serving_, true)) return;
  open_admin_servers();
  monitor_.start();
  workers_.serve(std::exchange(listeners_, {}));
  tell_(channel::Ready{});
}

void ProxyApp::take_over(Fd link) {
  // The last link broke, and its end is on the way.
  if (arrival_) return static_cast<void>(next_arrival_link_ = std::move(link));
  arrive(std::move(link));
}

void ProxyApp::arrive(Fd link) {
  arrival_ = std::make_unique<Arrival>(
      loop_, log_, workers_, std::move(link),
      Arrival::Hooks{
          .on_known = [this](const handover::KnownBackend& known) { return restore(known); },
          .on_counts = [this](handover::Counts counts) { inherited_counts_.take(std::move(counts)); },
          .on_expected = [this](std::uint32_t sessions) { load_.expected = sessions; },
          .on_time_to_serve = [this] { serve(); },
          .on_ended =
              [this](const channel::Inherited& inherited) {
                tell_(inherited);
                loop_.post([this] { on_arrived(); });
              }});
}

void ProxyApp::on_arrived() {
  arrival_.reset();
  list_sessions_at_last();
  if (next_arrival_link_ && !stopping_) arrive(std::exchange(next_arrival_link_, Fd()));
}

handover::Receiver::Place ProxyApp::restore(const handover::KnownBackend& known) {
  const auto service = std::ranges::find(services_.services, known.service_name, &ServiceConfig::name);
  if (service == services_.services.end()) return {};
  const auto index = static_cast<std::size_t>(service - services_.services.begin());
  const auto is_there = [&](const BackendConfig& config) {
    return config.address.to_string() == known.address;
  };
  auto backend = std::ranges::find_if(service->backends, [&](const BackendConfig& config) {
    return config.name == known.name && is_there(config);
  });
  // Renamed: the configured one there, of which a service has no two.
  if (backend == service->backends.end() && index < services_.configured_services) {
    const auto last =
        service->backends.begin() + static_cast<std::ptrdiff_t>(services_.configured_backends[index]);
    const auto found = std::find_if(service->backends.begin(), last, is_there);
    if (found != last) backend = found;
  }
  if (backend == service->backends.end()) return {.service = index};
  const BackendId ours{.service = index,
                       .backend = static_cast<std::size_t>(backend - service->backends.begin())};
  monitor_.restore(ours, known.memory);
  return {.service = ours.service, .backend = ours.backend};
}

std::vector<handover::KnownBackend> ProxyApp::known() const {
  std::vector<handover::KnownBackend> all;
  for (std::size_t i = 0; i < services_.services.size(); ++i) {
    const auto& backends = services_.services[i].backends;
    for (std::size_t j = 0; j < backends.size(); ++j) {
      all.push_back({.service = static_cast<std::uint32_t>(i),
                     .backend = static_cast<std::uint32_t>(j),
                     .service_name = services_.services[i].name,
                     .name = backends[j].name,
                     .address = backends[j].address.to_string(),
                     .memory = monitor_.memory({.service = i, .backend = j})});
    }
  }
  return all;
}

void ProxyApp::stop_accepting() {
  workers_.stop_accepting();
  for (const auto& server : admin_servers_) server->stop_accepting();
}

void ProxyApp::hand_over(Fd link, std::function<void()> on_empty) {
  on_empty_ = std::move(on_empty);
  look_for_empty_.cancel();
  stop_accepting();
  // There is another successor: that of the departure under way is gone, and its end on the way.
  if (departure_) return static_cast<void>(next_link_ = std::move(link));
  depart(std::move(link));
}

void ProxyApp::depart(Fd link) {
  departure_ = std::make_unique<Departure>(
      loop_, log_, workers_, std::move(link), known(), sessions(),
      Departure::Hooks{.counts = [this] { return counts_of(snapshot()); },
                       .on_ended = [this](std::uint32_t moved) { on_handed_over(moved); }});
}

void ProxyApp::on_handed_over(std::uint32_t moved) {
  tell_(channel::HandedOver{.moved = moved, .left = sessions()});
  looks_for_empty_ = 0;
  loop_.post([this] {
    departure_.reset();
    if (stopping_) return;
    if (next_link_) return depart(std::exchange(next_link_, Fd()));
    leave_if_empty();
  });
}

// Sessions that were left end sometime; whoever reads an answer gets a moment to come to its end.
void ProxyApp::leave_if_empty() {
  constexpr unsigned kMostLooks = 20;
  constexpr auto kLook = std::chrono::milliseconds(50);
  if (stopping_ || departure_) return;
  const bool answering =
      control_server_.is_answering() ||
      std::ranges::any_of(admin_servers_, [](const auto& server) { return server->is_answering(); });
  if (sessions() > 0 || (answering && ++looks_for_empty_ <= kMostLooks))
    return static_cast<void>(look_for_empty_.arm_after(kLook));
  on_empty_();
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

void ProxyApp::on_health_change(const HealthChange& change) {
  if (stopping_) return;  // a check that ended between the command and the loop's end: no worker is left
  standings_.set_health(change);
  tell_standing(change.backend);
}

void ProxyApp::set_drains(const std::vector<channel::DrainedBackend>& drains) {
  if (stopping_) return;
  for (const BackendId backend : standings_.set_drains(drains, loop_.now(), std::chrono::system_clock::now()))
    tell_standing(backend);
}

void ProxyApp::tell_standing(BackendId backend) {
  const BackendStanding& standing = standings_.of(backend);
  workers_.post([backend, standing](Worker& worker) { worker.set_standing(backend, standing); });
  if (services_.is_configured(backend) && living_.set(backend, effective_state(standing))) {
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
  std::vector<IpAddress> refused = unheld_vips();
  refused.insert(refused.end(), former_vips_.begin(), former_vips_.end());
  workers_.post([refused](Worker& worker) { worker.refuse_on(refused); });
}

void ProxyApp::release(const std::vector<IpAddress>& unconfigured) {
  if (stopping_) return;
  former_vips_.insert(former_vips_.end(), unconfigured.begin(), unconfigured.end());
  std::vector<IpAddress> gone = unconfigured.empty() ? vips_ : unconfigured;
  std::vector<IpAddress> refused = former_vips_;
  const std::vector<IpAddress> unheld = unconfigured.empty() ? vips_ : unheld_vips();
  refused.insert(refused.end(), unheld.begin(), unheld.end());
  workers_.sum(
      [gone = std::move(gone), refused = std::move(refused)](Worker& worker) {
        // Who is still in the queue must not slip in after it.
        worker.refuse_on(refused);
        return worker.reset_on(gone);
      },
      [this](std::uint32_t sessions) {
        log_.info("released, clients of the virtual address are reset", {{"connections", sessions}});
        tell_(channel::SessionsReset{.count = sessions});
      });
}

// While they are on their way, some are nobody's to tell of: the answer waits until all are here, or for so
// long.
void ProxyApp::list_sessions(const std::function<void(std::string)>& answer) {
  constexpr auto kLongestWait = std::chrono::milliseconds(1500);  // HttpServer has two seconds
  if (arrival_ && !stopping_) {
    if (waiting_for_list_.empty()) list_anyway_.arm_after(kLongestWait);
    waiting_for_list_.push_back(answer);
    return;
  }
  list_sessions_now(answer);
}

void ProxyApp::list_sessions_at_last() {
  list_anyway_.cancel();
  for (const auto& answer : std::exchange(waiting_for_list_, {})) list_sessions_now(answer);
}

void ProxyApp::list_sessions_now(const std::function<void(std::string)>& answer) {
  workers_.gather_texts([&services = services_.services, now = loop_.now()](
                            const Worker& worker) { return vipward::list_sessions(worker, services, now); },
                        [answer](const std::vector<std::string>& parts) { answer(join_sessions(parts)); });
}

void ProxyApp::adopt(Fd connection) {
  control_server_.adopt(std::move(connection));
}

void ProxyApp::stop() {
  if (std::exchange(stopping_, true)) return;
  arrival_.reset();
  departure_.reset();
  workers_.stop();
}

Snapshot ProxyApp::snapshot() const {
  SnapshotBuilder builder(services_, config_.hash, monitor_.snapshot(), standings_, load_);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    builder.add_worker("worker-" + std::to_string(i), workers_.counters(i));
  }
  Snapshot result = std::move(builder).finish();
  result.loop_lag.emplace_back("control", loop_lag_histogram_.snapshot());
  if (guardian_status_) add_guardian_part(result, *guardian_status_);
  result.generation = options_.generation;
  result.stopping = stopping_;
  result.started_at = started_at_;
  result.config_loaded_at = started_at_;
  if (guardian_status_) {
    if (guardian_status_->config_loaded_unix_ms != 0)
      result.config_loaded_at = WallTime(std::chrono::milliseconds(guardian_status_->config_loaded_unix_ms));
    result.last_reload_successful = guardian_status_->last_reload_successful;
  }
  result.log_lines_dropped = log_.dropped();
  inherited_counts_.add_to(result);
  return result;
}

}  // namespace vipward
