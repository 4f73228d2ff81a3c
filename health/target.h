// One backend under check: its state, its schedule, the check under way, its counters. Does what the pure
// parts decide: starts checks, logs, counts, reports. Owner: HealthMonitor; loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "health/check.h"
#include "health/check_state.h"
#include "health/path_evidence.h"
#include "health/schedule.h"
#include "health/snapshot.h"
#include "lb/event/random.h"
#include "lb/event/timer.h"
#include "lb/log/log.h"

namespace vipward {

// What the targets of a service share. Owner: HealthMonitor; changes with set_material().
struct ServiceChecks {
  std::string name;
  HealthCheckConfig config;
  std::shared_ptr<const TlsContext> tls;  // null: not needed, or see tls_error; owners: here, running checks
  std::string tls_error;                  // why there is none
  std::string bearer_token;
};

class HealthTarget {
 public:
  struct Surroundings {
    Loop& loop;
    Log& log;
    Random& random;
    PathEvidence& path;  // of the service
  };
  // `service` outlives the target. `on_answered` comes after each check that was answered.
  HealthTarget(const Surroundings& surroundings, const ServiceChecks& service, BackendId id,
               const BackendConfig& backend, std::function<void(const HealthChange&)> on_change,
               std::function<void()> on_answered);

  void start();
  void on_connect_refused();
  // Another backend has answered: a silence that might have been our network's may be this backend's own.
  void reconsider_silence();
  // The material has changed.
  void drop_tls_sessions() { sessions_ = std::make_shared<TlsSessionCache>(); }
  BackendHealth snapshot() const;
  BackendMemory memory() const;
  // Goes on from what another monitor has found out, and reports it; nothing once this one has a result of
  // its own.
  void restore(const BackendMemory& memory);

 private:
  void arm();
  void run_check();
  void on_done(const CheckOutcome& outcome);
  void note_path(const CheckOutcome& outcome, TimePoint now);
  void report(const CheckState::Transition& transition);
  void on_local_fault(const std::string& reason);
  void end_local_fault();
  void record(const CheckOutcome& outcome);
  void log_complaint(const CheckOutcome& outcome);
  void log_transition(const CheckState::Transition& transition);

  Loop& loop_;
  Log& log_;
  Random& random_;
  PathEvidence& path_;
  const ServiceChecks& service_;
  BackendId id_;
  std::string name_;
  std::function<void(const HealthChange&)> on_change_;
  std::function<void()> on_answered_;

  CheckPlan plan_;
  std::uint64_t checks_identity_;
  CheckState state_;
  CheckSchedule schedule_;
  bool started_ = false;
  Timer timer_;
  std::shared_ptr<TlsSessionCache> sessions_;
  std::unique_ptr<Check> check_;  // running, or closing its connection
  TimePoint check_began_{};
  bool may_be_our_path_ = false;  // as last reported

  std::chrono::system_clock::time_point since_wall_;
  std::string reason_ = "no check has ended yet";
  std::optional<LastCheck> last_check_;
  CheckComplaint complaint_ = CheckComplaint::None;
  std::optional<std::string> impossible_reason_;  // while the last check was impossible
  Counter impossible_checks_;
  std::array<Counter, kCheckResults> checks_;
  std::array<Histogram, kCheckPhases> durations_;
  std::optional<std::chrono::system_clock::time_point> certificate_expiry_;
  std::optional<double> clock_skew_seconds_;
};

}  // namespace vipward
