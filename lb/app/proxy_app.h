// Wires the load balancer: workers, checks, files, HTTP endpoints, on a control loop of its own. Everything
// is handed in by value: the configuration, and every listening socket as a descriptor. Owner: the run
// command; its thread.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "health/monitor.h"
#include "lb/admin/endpoints.h"
#include "lb/admin/http_server.h"
#include "lb/app/check_files.h"
#include "lb/event/loop.h"
#include "lb/event/loop_lag.h"
#include "lb/event/random.h"
#include "lb/event/signal.h"
#include "lb/proxy/worker_thread.h"

namespace vipward {

struct AppListeners {
  std::vector<std::vector<ServiceListener>> services;  // by worker
  std::vector<Fd> admin;
  Fd control;
};

class ProxyApp {
 public:
  // `log` outlives it. `capacity`: sessions the descriptor limit allows, all services together.
  ProxyApp(Log& log, Config config, std::uint32_t capacity);
  ~ProxyApp();

  // Reads the files the checks need. Returns what is wrong, one line per problem; empty: run() may follow.
  std::vector<std::string> prepare();
  // Serves until SIGTERM or SIGINT; then resets every client and returns.
  void run(AppListeners listeners);

 private:
  struct WorkerSlot {
    WorkerCounters counters;
    std::unique_ptr<WorkerThread> thread;
  };

  void open_server(Fd listener);
  void start_workers(std::vector<std::vector<ServiceListener>> listeners);
  void on_health_change(const HealthChange& change);
  void stop(std::string_view signal);
  Snapshot snapshot() const;

  Log& log_;
  Config config_;
  Loop loop_;
  Random random_;
  ProxyLoad load_;
  std::deque<WorkerSlot> workers_;
  HealthMonitor monitor_;
  CheckFiles files_;
  Histogram loop_lag_histogram_{kLagBounds};
  LoopLag loop_lag_;
  Endpoints endpoints_;
  std::vector<std::unique_ptr<HttpServer>> servers_;
  std::vector<std::unique_ptr<SignalWatch>> signals_;
  std::chrono::system_clock::time_point started_at_;
  bool stopping_ = false;
};

}  // namespace vipward
