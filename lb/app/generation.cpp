#include "lb/app/generation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "config/load.h"
#include "lb/app/capacity.h"
#include "lb/log/log_options.h"
#include "lb/version.h"

namespace vipward {
namespace {

constexpr std::size_t kLongestConfig = 4 * 1024 * 1024;

// Everything from the start on; nullopt leaves errno.
std::optional<std::string> read_text(int fd) {
  std::string text;
  std::array<char, 16 * 1024> chunk;
  while (text.size() <= kLongestConfig) {
    const ssize_t count = pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
    if (count < 0) return std::nullopt;
    if (count == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  errno = EFBIG;
  return std::nullopt;
}

Log::Options log_options_to(const LogConfig& config, int fd) {
  Log::Options options = log_options(config);
  options.fd = fd;
  return options;
}

}  // namespace

Generation::Generation(Fd channel, Options options)
    : options_(options),
      guardian_(loop_, std::move(channel),
                {.on_message = [this](channel::ToProxy message) { on_message(std::move(message)); },
                 .on_closed = [this] { on_channel_lost("it is gone"); },
                 .on_malformed = [this] { on_channel_lost("it says what makes no sense"); },
                 .on_descriptors_lost = [this](std::size_t kind) { on_descriptors_lost(kind); }}),
      spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

Generation::~Generation() = default;

int Generation::run() {
  loop_.run();
  // Connections of the admin pages end with it.
  app_.reset();
  return exit_code_.value_or(1);
}

void Generation::on_message(channel::ToProxy message) {
  if (exit_code_) return;
  std::visit([this](auto& of_kind) { on(of_kind); }, message);
}

void Generation::on(channel::Setup& setup) {
  if (app_) return refuse("Setup");
  vitals_ = channel::VitalsPage::map(std::move(setup.vitals));
  if (!vitals_) return fail({"the page for signs of life is not what it should be"});
  const auto text = read_text(setup.config_text.get());
  if (!text) return fail({setup.config_name + ": " + std::generic_category().message(errno)});
  LoadResult loaded = parse_config(*text, setup.config_name);
  if (!loaded.config) return fail(std::move(loaded.errors));
  const unsigned workers = worker_count(loaded.config->workers, usable_cores());
  const std::uint32_t capacity = session_capacity(*loaded.config, workers, options_.descriptor_limit);
  log_.emplace(log_options_to(loaded.config->log, options_.log_fd));
  log_start(*loaded.config, {.generation = setup.generation, .capacity = capacity, .workers = workers});
  app_.emplace(loop_, *log_, std::move(*loaded.config), setup.departing,
               ProxyApp::Options{.generation = setup.generation, .capacity = capacity, .workers = workers},
               *vitals_, [this](channel::ToGuardian message) { guardian_.send(std::move(message)); });
}

void Generation::log_start(const Config& config, const ProxyApp::Options& options) {
  log_->info("proxy starting", {{"generation", options.generation},
                                {"version", version()},
                                {"revision", revision()},
                                {"config_hash", config.hash},
                                {"descriptor_limit", options_.descriptor_limit},
                                {"connections_limit", options.capacity},
                                {"workers", options.workers}});
  for (const ServiceConfig& service : config.services) {
    if (service.max_connections <= options.capacity) continue;
    log_->warn("max_connections is more than the descriptor limit allows, beyond it clients wait",
               {{"service", service.name},
                {"max_connections", service.max_connections},
                {"descriptors_allow", options.capacity}});
  }
}

void Generation::on(channel::ServiceListeners& message) {
  if (!app_ || !app_->add_listeners(std::move(message))) refuse("ServiceListeners");
}

void Generation::on(channel::AdminListeners& message) {
  if (!app_ || !app_->add_admin_listeners(std::move(message))) refuse("AdminListeners");
}

void Generation::on(channel::CheckFiles& message) {
  if (!app_ || !app_->take_files(message)) refuse("CheckFiles");
}

// Threads, epoll descriptors: what only a start can lack.
bool Generation::prepare(ProxyApp::BadFiles bad_files) {
  std::vector<std::string> problems;
  try {
    problems = app_->prepare(bad_files);
  } catch (const std::exception& error) {
    problems.emplace_back(error.what());
  }
  if (!problems.empty()) fail(std::move(problems));
  return !exit_code_;
}

void Generation::on(channel::Serve&) {
  if (!app_ || app_->is_prepared()) return refuse("Serve");
  // One that takes a dead one's place serves with what it has.
  const bool is_first = app_->generation() <= 1;
  if (prepare(is_first ? ProxyApp::BadFiles::Refuse : ProxyApp::BadFiles::Log)) app_->serve();
}

void Generation::on(channel::Prepare& message) {
  if (!app_ || app_->is_prepared()) return refuse("Prepare");
  const bool bad_files_stop_it = !message.is_committed;
  if (prepare(bad_files_stop_it ? ProxyApp::BadFiles::Refuse : ProxyApp::BadFiles::Log))
    guardian_.send(channel::Prepared{});
}

void Generation::on(channel::TakeOver& message) {
  if (!app_ || !app_->is_prepared()) return refuse("TakeOver");
  app_->take_over(std::move(message.socket));
}

void Generation::on(channel::HandOver& message) {
  if (!app_ || !app_->is_serving()) return refuse("HandOver");
  log_->info("handing over to the next generation", {{"connections", app_->sessions()}});
  app_->hand_over(std::move(message.socket), [this] {
    log_->info("nothing is left, the next generation serves");
    end(0);
  });
}

void Generation::on(channel::GuardianStatus& message) {
  if (!app_) return refuse("GuardianStatus");
  app_->set_guardian_status(std::move(message));
}

void Generation::on(channel::Drains& message) {
  if (!app_) return refuse("Drains");
  app_->set_drains(message.backends);
}

void Generation::on(channel::VipReleased& message) {
  if (!app_) return refuse("VipReleased");
  std::vector<IpAddress> unconfigured;
  for (const std::string& text : message.unconfigured) {
    if (const auto address = IpAddress::parse(text)) unconfigured.push_back(*address);
  }
  app_->release(unconfigured);
}

void Generation::on(channel::HttpConnection& message) {
  if (!app_) return refuse("HttpConnection");
  app_->adopt(std::move(message.socket));
}

void Generation::on(channel::Stop& message) {
  if (app_) {
    log_->info("stopping, every client is reset",
               {{"signal", message.reason}, {"connections", app_->sessions()}});
  }
  end(0);
}

void Generation::on_channel_lost(std::string_view why) {
  if (exit_code_) return;
  if (app_) {
    log_->error("no guardian, every client is reset", {{"reason", why}, {"connections", app_->sessions()}});
  }
  end(1);
}

// Of a handover only the link is lost: there is a successor, which takes the new clients from now on. With
// the spare descriptor the next link finds room, whoever stays connected for hours.
void Generation::on_descriptors_lost(std::size_t kind) {
  static const std::size_t kHandOver = channel::ToProxy(std::in_place_type<channel::HandOver>).index();
  if (log_) log_->warn("no descriptor was left for what the guardian sent");
  if (kind != kHandOver || !app_ || !app_->is_serving() || exit_code_) return;
  spare_.reset();
  app_->stop_accepting();
  // One that is under way says so itself when it ends.
  if (app_->is_handing_over()) return;
  // With none the next link is over at once.
  guardian_.send(channel::HandedOver{.moved = 0, .left = std::max(app_->sessions(), std::uint32_t{1})});
}

void Generation::fail(std::vector<std::string> problems) {
  guardian_.send(channel::Failed{.problems = std::move(problems)});
  end(1);
}

void Generation::refuse(std::string_view message) {
  if (log_) log_->error("message of the guardian out of turn, ignored", {{"message", message}});
}

void Generation::end(int exit_code) {
  exit_code_ = exit_code;
  if (app_) app_->stop();
  loop_.stop();
}

}  // namespace vipward
