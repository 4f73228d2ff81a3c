// A monitor on a loop of the test's own thread, with real sockets and quick intervals, and the log kept for
// questions. Descriptors that a test leaves open end it: see the destructor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "health/monitor.h"
#include "tests/support/fake_server.h"

namespace vipward::test {

class Bench {
 public:
  Bench();
  ~Bench();

  // A service with one backend; 50 ms intervals without jitter, rise 2, fall 3.
  static ServiceConfig service(const SocketAddress& backend, CheckProtocol protocol = CheckProtocol::Https);

  // Makes the monitor, gives it the material, starts it.
  void start(const ServiceConfig& service, const CheckMaterial& material = {});
  void start(const std::vector<ServiceConfig>& services, const std::vector<CheckMaterial>& materials);
  void stop() { monitor_.reset(); }
  HealthMonitor& monitor() { return *monitor_; }

  // Turns the loop until `condition` holds; false after `limit`.
  bool run_until(const std::function<bool()>& condition,
                 std::chrono::milliseconds limit = std::chrono::seconds{5});
  bool run_until_state(BackendState state);
  // Until that many checks have ended with a result.
  bool run_until_checked(std::uint64_t checks = 1);

  BackendHealth health() const { return monitor_->snapshot().at(0).at(0); }
  LastCheck last() const { return health().last_check.value_or(LastCheck{}); }
  std::uint64_t checks() const;
  const std::vector<HealthChange>& changes() const { return changes_; }
  TimePoint now() const { return loop_.now(); }

  // Log lines so far that hold `text`.
  int logged(const std::string& text) const;
  // Waits until there is one.
  bool run_until_logged(const std::string& text) {
    return run_until([&] { return logged(text) > 0; });
  }

 private:
  Fd log_file_;
  Log log_;
  Random random_{1};
  Loop loop_;
  std::unique_ptr<HealthMonitor> monitor_;
  std::vector<HealthChange> changes_;
};

int open_descriptors();

}  // namespace vipward::test
