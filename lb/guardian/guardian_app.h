// The guardian at work: the VIP, the listeners, the control socket, and the proxy's life. It wires; the
// decisions are Supervisor's, StallJudge's, wish_of()'s and the Instance's. Owner: the run command; main
// thread, one small loop.
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
#include "lb/guardian/file_watch.h"
#include "lb/guardian/listener_set.h"
#include "lb/guardian/operator_commands.h"
#include "lb/guardian/proxy_process.h"
#include "lb/guardian/service_notify.h"
#include "lb/guardian/supervisor.h"
#include "lb/log/log.h"
#include "lb/vip/virtual_router.h"

namespace vipward {

struct GuardianPlan {
  Config config;
  std::string config_name;
  std::string config_text;
  std::optional<Account> proxy_account;  // absent: the proxy stays what we are
  FileWatch files;                       // of the checks; looked at once
  Fd control_listener;
};

class GuardianApp {
 public:
  // Opens the listeners. Throws std::system_error or std::runtime_error with one sentence. `log` outlives it.
  GuardianApp(Log& log, GuardianPlan plan);
  ~GuardianApp();

  // Serves until SIGTERM or SIGINT. Empty: an orderly end; else why the first proxy could not start, one line
  // per problem.
  std::vector<std::string> run();

 private:
  std::unique_ptr<VirtualRouter> make_router();
  void watch_signals();

  // The proxy's life.
  void carry_out(Supervisor::Step step);
  void spawn();
  void on_message(channel::ToGuardian message);
  void on_ready();
  void on_failed(const std::vector<std::string>& problems);
  void on_unfit(const std::string& why);
  void on_ended(const std::string& how);

  // The VIP.
  void reconsider();
  void on_taking();
  void on_given_up(bool addresses_are_off);
  void on_vip_change();

  void pass_on(Fd client);
  void tick();
  void look_around();
  void arm_deadline();
  void on_deadline();
  void tell_status();
  channel::GuardianStatus status() const;
  void stop(const char* signal);
  void finish_if_done();

  Log& log_;
  const Config config_;
  std::optional<Account> proxy_account_;
  Loop loop_;
  ListenerSet listeners_;
  Briefing briefing_;
  FileWatch files_;
  ServiceNotify notify_;
  Supervisor supervisor_;
  std::unique_ptr<ProxyProcess> proxy_;
  std::unique_ptr<ProxyProcess> retired_;  // has ended; goes at the end of the turn
  std::uint64_t generations_ = 0;
  std::vector<std::string> start_problems_;
  bool every_service_has_living_ = true;  // until a proxy says otherwise; its successor has to learn it first
  bool stopping_ = false;
  std::optional<TimePoint> kill_at_;  // stopping: the proxy's last moment
  std::optional<TimePoint>
      reset_by_;  // the proxy resets the released address's clients by then, or is killed
  unsigned ticks_ = 0;
  TimePoint watchdog_fed_at_{};
  Histogram lag_histogram_{kLagBounds};
  LoopLag lag_;
  std::unique_ptr<VirtualRouter> router_;  // none without a vip section
  OperatorCommands commands_;
  ControlServer control_;
  std::vector<std::unique_ptr<SignalWatch>> signals_;
  Timer tick_;
  Timer deadline_;
};

}  // namespace vipward
