// The guardian at work: the VIP, the listeners, the control socket, the proxy's life, and its own succession
// by a next image of itself. It wires; the decisions are Supervisor's, StallJudge's, wish_of()'s and the
// Instance's. Owner: the run command; main thread, one small loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "lb/event/loop.h"
#include "lb/event/loop_lag.h"
#include "lb/event/signal.h"
#include "lb/event/timer.h"
#include "lb/guardian/briefing.h"
#include "lb/guardian/control_server.h"
#include "lb/guardian/drains.h"
#include "lb/guardian/file_watch.h"
#include "lb/guardian/heritage.h"
#include "lb/guardian/listener_set.h"
#include "lb/guardian/operator_commands.h"
#include "lb/guardian/proxy_life.h"
#include "lb/guardian/service_notify.h"
#include "lb/guardian/successions.h"
#include "lb/log/log.h"
#include "lb/vip/virtual_router.h"

namespace vipward {

struct GuardianPlan {
  Config config;
  std::string config_name;
  std::string config_text;
  std::optional<Account> proxy_account;  // absent: the proxy stays what we are
  FileWatch files;                       // of the checks; looked at once, but for a next image
  Fd control_listener;
  Executable executable;
  std::optional<Heritage> heritage;  // of the last image, which this one goes on for
};

class GuardianApp {
 public:
  // Opens the listeners. Throws std::system_error or std::runtime_error with one sentence. `log` outlives it.
  GuardianApp(Log& log, GuardianPlan plan);
  ~GuardianApp();

  // Serves until SIGTERM or SIGINT, or as long as no other image takes its place. Empty: an orderly end; else
  // why the first proxy could not start, one line per problem.
  std::vector<std::string> run();

 private:
  std::unique_ptr<VirtualRouter> make_router();
  ProxyLife::Hooks life_hooks();
  ControlServer::Handlers control_handlers();
  void watch_signals();
  void go_on_from(const Heritage& heritage);

  bool brief(ProxyProcess& proxy);
  void on_life_change();

  // The VIP.
  void reconsider();
  void on_taking();
  void on_given_up(bool addresses_are_off);
  void on_vip_change();

  // For the next image.
  Heritage heritage() const;

  void pass_on(Fd client);
  void tick();
  void look_around();
  void tell_of(std::vector<FileWatch::Opened> files);
  void arm_deadline();
  void on_deadline();
  void tell_status();
  channel::GuardianStatus status() const;
  void stop(const char* signal);
  void finish_if_done();

  Log& log_;
  const Config config_;
  const std::string config_name_;
  const std::string config_text_;
  const Executable executable_;
  const std::optional<Account> proxy_account_;
  const std::optional<Heritage> heritage_;
  Loop loop_;
  ListenerSet listeners_;
  Briefing briefing_;
  FileWatch files_;
  std::vector<channel::DepartingBackend> departing_;
  Drains drains_;
  ServiceNotify notify_;
  ProxyLife life_;
  std::vector<std::string> start_problems_;
  bool every_service_has_living_;  // until a proxy says otherwise; its successor has to learn it first
  bool stopping_ = false;
  unsigned ticks_ = 0;
  TimePoint watchdog_fed_at_{};
  HistogramSnapshot inherited_lag_;
  Histogram lag_histogram_{kLagBounds};
  LoopLag lag_;
  std::unique_ptr<VirtualRouter> router_;  // none without a vip section
  OperatorCommands commands_;
  ControlServer control_;
  std::int64_t config_loaded_unix_ms_;
  Successions successions_;
  std::vector<std::unique_ptr<SignalWatch>> signals_;
  Timer tick_;
  Timer deadline_;
};

}  // namespace vipward
