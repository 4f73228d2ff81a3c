// The work that perf/run gives a relay, over loopback: small exchanges (64 bytes there, 40 back) and streams
// from the backend. Both sides are plain TCP, so that the relay is what costs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::perf {

inline constexpr std::size_t kRequestBytes = 64;
inline constexpr std::size_t kAnswerBytes = 40;

// Answers each request; who begins with 'B' is sent a stream until he goes. Owns one thread.
class ExchangeBackend {
 public:
  // At a port of 127.0.0.1 that the kernel chooses, or elsewhere.
  ExchangeBackend();
  explicit ExchangeBackend(const SocketAddress& address);
  ~ExchangeBackend();
  ExchangeBackend(const ExchangeBackend&) = delete;
  ExchangeBackend& operator=(const ExchangeBackend&) = delete;

  const SocketAddress& address() const { return address_; }
  // That it has now.
  std::size_t connections() const { return connection_count_; }

 private:
  struct Connection;
  void run();
  void accept_some(int epoll);
  // False: it is over.
  bool serve(int epoll, Connection& connection, unsigned events);

  Fd listener_;
  SocketAddress address_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> connection_count_{0};
  std::unordered_map<const Connection*, std::unique_ptr<Connection>> connections_;  // the thread's
  std::thread thread_;
};

// Clients of small exchanges, in the calling thread; connected, and served once, when constructed. Throws
// std::runtime_error if that does not come about, or if a session fails later.
class ExchangeClients {
 public:
  struct Options {
    SocketAddress target{};
    unsigned connections = 32;
    unsigned busy = 32;       // of them; the others stay silent
    bool reconnects = false;  // each exchange has a connection of its own
  };
  explicit ExchangeClients(const Options& options);
  ~ExchangeClients();
  ExchangeClients(const ExchangeClients&) = delete;
  ExchangeClients& operator=(const ExchangeClients&) = delete;

  struct Tally {
    std::uint64_t exchanges = 0;
    std::chrono::nanoseconds time{};
    std::vector<double> latencies_us;  // of paced ones alone
  };
  // As fast as it goes: each busy one asks again when it has its answer.
  Tally run(std::chrono::milliseconds time);
  // So many, one after the other, on the first connection.
  void exchange(unsigned count);
  // So many a second, whatever becomes of them: an exchange takes from when it should have begun (what waits
  // for a connection that is not free waits on).
  Tally run_paced(std::chrono::milliseconds time, double per_second);

 private:
  struct Connection;
  using Clock = std::chrono::steady_clock;
  void connect(Connection& connection);
  void ask(Connection& connection);
  // Whether the answer is complete.
  bool hear(Connection& connection);
  // The busy ones that have their answer now; waits until `deadline` for the first.
  const std::vector<Connection*>& answered(Clock::time_point deadline);
  void finish(unsigned outstanding);

  Options options_;
  Fd epoll_;
  std::deque<Connection> connections_;
  std::vector<Connection*> answered_;
};

// So many streams from the backend, read and forgotten by the calling thread.
class StreamClients {
 public:
  StreamClients(const SocketAddress& target, unsigned streams);
  // Bytes that came within `time`.
  std::uint64_t run(std::chrono::milliseconds time);

 private:
  Fd epoll_;
  std::vector<Fd> streams_;
};

// Sessions that were served once and say nothing more, for as long as this lives.
class IdleClients {
 public:
  IdleClients(const SocketAddress& target, unsigned count);

 private:
  ExchangeClients clients_;
};

}  // namespace vipward::perf
