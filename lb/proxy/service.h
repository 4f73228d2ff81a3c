// One worker's view of a service: its configuration, what is known of its backends, who may come in. Worker
// thread.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "config/config.h"
#include "lb/balance/picker.h"
#include "lb/balance/rules.h"
#include "lb/log/log.h"
#include "lb/proxy/connect_plan.h"
#include "lb/proxy/counters.h"
#include "lb/proxy/load.h"

namespace vipward {

class Service {
 public:
  // `load`, `counters` and `log` outlive it.
  Service(std::size_t index, ServiceConfig config, ProxyLoad& load, ServiceCounters& counters, Log& log);

  std::size_t index() const { return index_; }
  const ServiceConfig& config() const { return config_; }
  const BackendConfig& backend(std::size_t i) const { return config_.backends[i]; }
  // The address family that its backends have, or most likely have.
  int usual_family() const { return config_.backends.front().address.ip().family(); }
  ServiceLoad& load() { return load_; }
  ServiceCounters& counters() { return counters_; }
  Picker& picker() { return *picker_; }

  // Why a client must be turned away now; nullopt lets it in. Says in the log when the limit begins and
  // ceases to bite.
  std::optional<RejectReason> refusal_of(const IpAddress& client);
  // False: as many sessions as the descriptor limit allows, although max_connections would allow more.
  // Clients then wait in the kernel's queue; without a max_connections of its own a service is simply full.
  bool has_descriptors() const;
  void enter();
  void leave();

  void set_standing(std::size_t backend, const BackendStanding& standing) { standings_[backend] = standing; }
  const std::vector<BackendStanding>& standings() const { return standings_; }
  bool is_another_ready(std::size_t backend) const;
  // Keepalive and user timeout, on a backend's socket or on a listener for all it accepts. Each call gives
  // the next of staggered() keepalives.
  void set_liveness(int fd);
  // The backends as a ConnectPlan wants them; valid until the next call.
  std::span<const ConnectPlan::View> views();
  ConnectPlan::Limits connect_limits() const;

 private:
  struct Fill {
    std::uint32_t sessions = 0;
    std::uint32_t limit = 0;
  };
  Fill fill() const;  // of what limits this service: its own max_connections, or the share of all
  bool is_full() const;
  bool is_well_below_limit() const;
  void say_limit(bool biting);

  std::size_t index_;
  ServiceConfig config_;
  ProxyLoad& proxy_load_;
  ServiceLoad& load_;
  ServiceCounters& counters_;
  Log& log_;
  std::unique_ptr<Picker> picker_;
  std::vector<BackendStanding> standings_;
  std::vector<ConnectPlan::View> views_;
  unsigned keepalives_ = 0;  // given so far
};

}  // namespace vipward
