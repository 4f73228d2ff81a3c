// Real workers on real loopback sockets, with everything that they count and log within reach of a test. The
// test plays the clients, the backends and the health checks. One thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "lb/proxy/worker_thread.h"
#include "tests/component/proxy/peer.h"

namespace vipward::test {

class ProxyUnderTest {
 public:
  struct Options {
    unsigned workers = 1;
    std::uint32_t capacity = 100'000;
    LogLevel level = LogLevel::Debug;
    const char* listen = "127.0.0.1:0";
    unsigned listeners_per_worker = 1;
  };
  // Each service listens on a port of its own, all workers on the same ones.
  ProxyUnderTest(std::vector<ServiceConfig> services, Options options);
  explicit ProxyUnderTest(ServiceConfig service) : ProxyUnderTest({std::move(service)}, Options{}) {}
  ProxyUnderTest(ServiceConfig service, Options options)
      : ProxyUnderTest(std::vector{std::move(service)}, options) {}
  ~ProxyUnderTest();

  const SocketAddress& address(std::size_t service = 0) const { return addresses_[service]; }
  Peer connect() const { return Peer::connect_to(address()); }

  // As a health check would; `since`: now. Returns when every worker has heard it.
  void set_state(std::size_t backend, BackendState state, DeadCause cause = DeadCause::None);
  void set_standing(BackendId backend, const BackendStanding& standing);
  // Every worker takes no more clients and resets those that it has.
  void stop();
  // The same without waiting for it.
  void stop_soon();
  void refuse_on(const std::vector<IpAddress>& addresses);
  // How many sessions were reset.
  std::uint32_t reset_on(const std::vector<IpAddress>& addresses);
  // Of all workers together.
  unsigned beats() const { return beats_.load(); }
  // Runs on worker 0's thread; returns when it has run.
  void run_inside(const std::function<void()>& task);
  // The same without waiting for it: in its next turn, if it is asked for on that thread.
  void run_soon(const std::function<void()>& task);

  // Sums over workers.
  std::uint64_t accepted() const;
  std::uint64_t closed(EndReason reason) const;
  std::uint64_t closed() const;
  std::uint64_t rejected(RejectReason reason) const;
  struct BackendSums {
    std::uint64_t sessions = 0;
    std::uint64_t connect_failures = 0;
    std::uint64_t bytes_to_backend = 0;
    std::uint64_t bytes_to_client = 0;
    std::uint64_t connects_measured = 0;
  };
  BackendSums backend(std::size_t index) const;
  std::uint64_t spliced_bytes() const;
  std::uint64_t durations_measured() const;
  std::uint64_t accepted_by(std::size_t worker) const;
  std::uint64_t lost_listeners(std::size_t service) const;
  unsigned accepting_workers() const;
  bool is_accepting() const { return accepting_workers() == workers_.size(); }
  // Of the shared load.
  std::uint32_t sessions() const { return load_.sessions.load(); }
  std::uint32_t sessions_of(std::size_t backend) const { return load_.services[0].backends[backend].load(); }
  // Refused connects that the checks would hear of.
  std::vector<BackendId> refusals() const;

  bool wait_closed(EndReason reason, std::uint64_t count = 1) const;
  // Until no session is left.
  bool wait_empty() const;
  // Until the log has `count` lines with `text`.
  bool wait_logged(std::string_view text, std::size_t count = 1) const;
  std::size_t count_logged(std::string_view text) const;
  // The lines so far that hold `text`.
  std::vector<std::string> logged(std::string_view text) const;

 private:
  // On each one's thread, one after the other; returns when all have done it.
  void on_every_worker(const std::function<void(Worker&)>& task);

  Fd log_file_;
  Log log_;
  ProxyLoad load_;
  std::deque<WorkerCounters> counters_;  // by worker; elements never move
  std::vector<SocketAddress> addresses_;
  mutable std::mutex mutex_;
  std::vector<BackendId> refusals_;  // guarded by mutex_
  std::atomic<unsigned> beats_{0};
  std::vector<std::unique_ptr<WorkerThread>> workers_;
};

// A service as the defaults make it, with these backends, named backend-0, backend-1 ...
ServiceConfig service_with(const std::vector<SocketAddress>& backends);

// Resident memory of this process.
std::size_t resident_bytes();

// Sanitizers keep freed memory and shadows: their numbers say nothing.
constexpr bool memory_is_measurable() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

}  // namespace vipward::test
