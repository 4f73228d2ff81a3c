// Wires the load balancer: workers, checks, files, HTTP endpoints, on the control loop it is given. Opens
// nothing itself: listeners, files and connections of the control socket come as descriptors. Owner: a
// Generation; the control loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/monitor.h"
#include "lb/admin/endpoints.h"
#include "lb/admin/http_server.h"
#include "lb/app/check_files.h"
#include "lb/app/living_backends.h"
#include "lb/channel/messages.h"
#include "lb/channel/vitals.h"
#include "lb/event/heartbeat.h"
#include "lb/event/loop.h"
#include "lb/event/loop_lag.h"
#include "lb/event/random.h"
#include "lb/proxy/worker_thread.h"

namespace vipward {

class ProxyApp {
 public:
  struct Options {
    std::uint64_t generation = 1;
    std::uint32_t capacity = 0;  // sessions the descriptor limit allows, all services together
  };
  using Tell = std::function<void(channel::ToGuardian)>;
  // `loop`, `log` and `vitals` outlive it. `tell`: what the guardian is to hear.
  ProxyApp(Loop& loop, Log& log, Config config, Options options, channel::VitalsPage& vitals, Tell tell);
  ~ProxyApp();

  // Before start(). False: there is no such service, or start() was called already; nothing is done.
  bool add_listeners(channel::ServiceListeners message);
  bool add_admin_listeners(channel::AdminListeners message);
  // Before start(): what is wrong with them is one of its problems. Afterwards the log says it.
  bool take_files(const channel::CheckFiles& message);

  // Begins to check and to serve, and tells that. Returns what is wrong, one line per problem; then it does
  // not serve.
  std::vector<std::string> start();
  bool is_serving() const { return is_serving_; }

  void set_guardian_status(channel::GuardianStatus status);
  // The VIPs are gone: whoever came by way of one is reset, then that is told.
  void release();
  // A connection of the control socket.
  void adopt(Fd connection);
  // Resets every client; nothing is served any more.
  void stop();
  std::uint32_t sessions() const { return load_.sessions.load(std::memory_order_relaxed); }

 private:
  struct WorkerSlot {
    WorkerCounters counters;
    std::unique_ptr<WorkerThread> thread;
  };
  // A release under way: what its workers have reset so far.
  struct Release {
    std::size_t workers_left = 0;
    std::uint32_t sessions_reset = 0;
  };

  void open_admin_servers();
  void start_workers();
  std::unique_ptr<Worker> make_worker(Loop& loop, WorkerSlot& slot, std::vector<ServiceListener> listeners);
  std::vector<std::vector<ServiceListener>> listeners_by_worker();
  void on_health_change(const HealthChange& change);
  void on_worker_released(const std::shared_ptr<Release>& release, std::uint32_t count);
  std::vector<IpAddress> unheld_vips() const;
  void refuse_unheld_vips();
  Snapshot snapshot() const;

  Loop& loop_;
  Log& log_;
  Config config_;
  Options options_;
  channel::VitalsPage& vitals_;
  Tell tell_;
  Random random_;
  ProxyLoad load_;
  std::vector<IpAddress> vips_;
  std::deque<WorkerSlot> workers_;
  LivingBackends living_;
  HealthMonitor monitor_;
  CheckFiles files_;
  std::vector<std::string> file_problems_;            // until start()
  std::vector<channel::ServiceListeners> listeners_;  // until start()
  std::vector<Fd> admin_listeners_;                   // until start()
  std::optional<channel::GuardianStatus> guardian_status_;
  Histogram loop_lag_histogram_{kLagBounds};
  LoopLag loop_lag_;
  Heartbeat heartbeat_;
  Endpoints endpoints_;
  HttpServer control_server_;
  std::vector<std::unique_ptr<HttpServer>> admin_servers_;
  std::chrono::system_clock::time_point started_at_;
  bool is_serving_ = false;
  bool stopping_ = false;
};

}  // namespace vipward
