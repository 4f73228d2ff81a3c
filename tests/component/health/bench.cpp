#include "tests/component/health/bench.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iterator>
#include <numeric>

#include "lb/event/timer.h"

namespace vipward::test {

Bench::Bench()
    : log_file_(memfd_create("log", MFD_CLOEXEC)), log_({.level = LogLevel::Debug, .fd = log_file_.get()}) {}

Bench::~Bench() = default;

ServiceConfig Bench::service(const SocketAddress& backend, CheckProtocol protocol) {
  ServiceConfig config;
  config.name = "api";
  config.backends.push_back({.name = "master-1", .address = backend});
  config.health_check.protocol = protocol;
  config.health_check.interval = Millis{50};
  config.health_check.fast_interval = Millis{20};
  config.health_check.jitter = 0;
  return config;
}

void Bench::start(const ServiceConfig& service, const CheckMaterial& material) {
  start(std::vector{service}, std::vector{material});
}

void Bench::start(const std::vector<ServiceConfig>& services, const std::vector<CheckMaterial>& materials) {
  monitor_ = std::make_unique<HealthMonitor>(
      loop_, log_, random_, services, [this](const HealthChange& change) { changes_.push_back(change); });
  for (std::size_t i = 0; i < materials.size(); ++i) {
    if (!(materials[i] == CheckMaterial{})) REQUIRE(monitor_->set_material(i, materials[i]) == "");
  }
  monitor_->start();
}

bool Bench::run_until(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const TimePoint deadline = loop_.now() + limit;
  bool met = condition();
  if (met) return true;
  std::unique_ptr<Timer> timer;
  const auto ask = [&] {
    met = condition();
    if (met || loop_.now() >= deadline) {
      loop_.stop();
    } else {
      timer->arm_after(std::chrono::milliseconds{2});
    }
  };
  timer = std::make_unique<Timer>(loop_, ask);
  timer->arm_after(std::chrono::milliseconds{1});
  loop_.run();
  return met;
}

bool Bench::run_until_state(BackendState state) {
  return run_until([&] { return health().state == state; });
}

bool Bench::run_until_checked(std::uint64_t checks_wanted) {
  return run_until([&] { return checks() >= checks_wanted; });
}

std::uint64_t Bench::checks() const {
  const BackendHealth now = health();
  return std::accumulate(now.checks.begin(), now.checks.end(), std::uint64_t{0});
}

int Bench::logged(const std::string& text) const {
  std::string log;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t size = pread(log_file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(log.size()));
    if (size <= 0) break;
    log.append(buffer.data(), static_cast<std::size_t>(size));
  }
  int lines = 0;
  for (std::size_t at = log.find(text); at != std::string::npos; at = log.find(text, log.find('\n', at)))
    ++lines;
  return lines;
}

int open_descriptors() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                        std::filesystem::directory_iterator{}));
}

}  // namespace vipward::test
