// Wires the load balancer: workers, checks, files, HTTP endpoints, on the control loop it is given. Opens
// nothing itself: listeners, files and connections of the control socket come as descriptors. Owner: a
// Generation; the control loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/monitor.h"
#include "lb/admin/endpoints.h"
#include "lb/admin/http_server.h"
#include "lb/app/arrival.h"
#include "lb/app/check_files.h"
#include "lb/app/departure.h"
#include "lb/app/effective_services.h"
#include "lb/app/inherited_counts.h"
#include "lb/app/living_backends.h"
#include "lb/app/standings.h"
#include "lb/app/worker_pool.h"
#include "lb/channel/messages.h"
#include "lb/channel/vitals.h"
#include "lb/event/heartbeat.h"
#include "lb/event/loop.h"
#include "lb/event/loop_lag.h"
#include "lb/event/random.h"
#include "lb/event/timer.h"

namespace vipward {

class ProxyApp {
 public:
  struct Options {
    std::uint64_t generation = 1;
    std::uint32_t capacity = 0;  // sessions the descriptor limit allows, all services together
    unsigned workers = 1;
  };
  using Tell = std::function<void(channel::ToGuardian)>;
  // `loop`, `log` and `vitals` outlive it. `tell`: what the guardian is to hear.
  // `departing`: see EffectiveServices.
  ProxyApp(Loop& loop, Log& log, Config config, const std::vector<channel::DepartingBackend>& departing,
           Options options, channel::VitalsPage& vitals, Tell tell);
  ~ProxyApp();

  // Before prepare(). False: there is no such service, or it is too late; nothing is done.
  bool add_listeners(channel::ServiceListeners message);
  bool add_admin_listeners(channel::AdminListeners message);
  // Before prepare(): what is wrong with them is one of its problems, or said in the log. Afterwards the log
  // says it.
  bool take_files(const channel::CheckFiles& message);

  // Whatever a start can lack is got; nothing is served or checked yet. Returns what is wrong, one line per
  // problem; then it cannot serve.
  enum class BadFiles : std::uint8_t {
    Refuse,
    Log,  // the checks stop, the clients need not
  };
  std::vector<std::string> prepare(BadFiles bad_files);
  bool is_prepared() const { return is_prepared_; }
  std::uint64_t generation() const { return options_.generation; }
  // Once prepared: begins to check and to serve, and tells that.
  void serve();
  bool is_serving() const { return is_serving_; }
  // Once prepared: serves, and takes over from a predecessor at the other end of `link`. Tells Inherited; may
  // be asked again if the link broke, with another one.
  void take_over(Fd link);
  // Lets nobody in any more.
  void stop_accepting();
  // While it serves: lets nobody in any more, and gives what it has to a successor at the other end of
  // `link`. Tells HandedOver; may be asked again if something was left, for another successor. `on_empty`:
  // nothing is left, and nobody waits for an answer of the admin pages.
  void hand_over(Fd link, std::function<void()> on_empty);

  // All that the operator has drained.
  void set_drains(const std::vector<channel::DrainedBackend>& drains);
  void set_guardian_status(channel::GuardianStatus status);
  // The VIPs are gone, or these are, which are none any more: whoever came by way of one is reset, also who
  // is handed over later, then that is told.
  void release(const std::vector<IpAddress>& unconfigured);
  // A connection of the control socket.
  void adopt(Fd connection);
  // Resets every client; nothing is served any more.
  void stop();
  bool is_handing_over() const { return departure_ != nullptr; }
  std::uint32_t sessions() const { return load_.sessions.load(std::memory_order_relaxed); }

 private:
  void open_admin_servers();
  void arrive(Fd link);
  void on_arrived();
  handover::Receiver::Place restore(const handover::KnownBackend& known);
  std::vector<handover::KnownBackend> known() const;
  void depart(Fd link);
  void on_handed_over(std::uint32_t moved);
  void leave_if_empty();
  void on_health_change(const HealthChange& change);
  void tell_standing(BackendId backend);
  std::vector<IpAddress> unheld_vips() const;
  void refuse_unheld_vips();
  void list_sessions(const std::function<void(std::string)>& answer);
  void list_sessions_at_last();
  void list_sessions_now(const std::function<void(std::string)>& answer);
  Snapshot snapshot() const;

  Loop& loop_;
  Log& log_;
  Config config_;
  EffectiveServices services_;
  Options options_;
  channel::VitalsPage& vitals_;
  Tell tell_;
  Random random_;
  ProxyLoad load_;
  std::vector<IpAddress> vips_;
  std::vector<IpAddress> former_vips_;
  WorkerPool workers_;
  Standings standings_;
  LivingBackends living_;  // of the configured ones
  HealthMonitor monitor_;
  CheckFiles files_;
  std::vector<std::string> file_problems_;            // until prepare()
  std::vector<channel::ServiceListeners> listeners_;  // until serve()
  std::vector<Fd> admin_listeners_;                   // until serve()
  std::optional<channel::GuardianStatus> guardian_status_;
  Histogram loop_lag_histogram_{kLagBounds};
  LoopLag loop_lag_;
  Heartbeat heartbeat_;
  Endpoints endpoints_;
  Endpoints control_endpoints_;  // with what is not for everybody
  HttpServer control_server_;
  std::vector<std::unique_ptr<HttpServer>> admin_servers_;
  std::chrono::system_clock::time_point started_at_;
  InheritedCounts inherited_counts_;
  std::unique_ptr<Arrival> arrival_;
  // Who asked for the sessions while they were on their way here.
  std::vector<std::function<void(std::string)>> waiting_for_list_;
  Timer list_anyway_;
  Fd next_arrival_link_;  // from the same predecessor, until the last arrival has ended
  std::unique_ptr<Departure> departure_;
  Fd next_link_;                    // to another successor, until the last departure has ended
  std::function<void()> on_empty_;  // of hand_over()
  unsigned looks_for_empty_ = 0;
  Timer look_for_empty_;
  bool is_prepared_ = false;
  bool is_serving_ = false;
  bool stopping_ = false;
};

}  // namespace vipward
