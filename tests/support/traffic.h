// Sessions that show whether anything was lost, doubled, reordered or held up on their way: through whatever
// stands between TrafficClients and TrafficBackend. Each of the two owns one thread; results may be read at
// any time. The data of a bulk session is a keyed stream, compared byte by byte at both ends.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::test {

enum class TrafficKind : std::uint8_t {
  Bulk,     // both sides send their stream as fast as it goes
  Request,  // a small request every few milliseconds, echoed
  Idle,     // one exchange at the beginning, and one when it is asked for
  Silent,   // connected, and says nothing until it is asked to
};

// A place of a bulk session's stream in one direction.
class TrafficStream {
 public:
  TrafficStream(std::uint32_t session, bool to_backend);
  // What comes next, at least one byte, at most `most`. It is the same until advance().
  std::span<const char> next(std::size_t most) const;
  void advance(std::size_t bytes) { position_ += bytes; }
  // True, and further along, if it is what comes next.
  bool accept(std::span<const char> data);
  std::uint64_t bytes() const { return position_; }

 private:
  std::uint64_t offset_ = 0;
  std::uint64_t position_ = 0;
};

class TrafficBackend {
 public:
  // Listens at a port of 127.0.0.1, or `address`, chosen by the kernel if it has none.
  explicit TrafficBackend(const SocketAddress& address);
  ~TrafficBackend();
  TrafficBackend(const TrafficBackend&) = delete;
  TrafficBackend& operator=(const TrafficBackend&) = delete;

  const SocketAddress& address() const { return address_; }
  // Bulk sessions whose client's stream was not what it should be.
  std::uint32_t corrupt() const { return corrupt_.load(); }
  std::uint32_t connections() const { return connections_.load(); }

 private:
  struct Connection;
  void run();
  // False: it is over.
  bool serve(Connection& connection);
  bool receive(Connection& connection);
  bool send_some(Connection& connection);

  Fd listener_;
  SocketAddress address_;
  Fd epoll_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint32_t> corrupt_{0};
  std::atomic<std::uint32_t> connections_{0};
  std::thread thread_;
};

class TrafficClients {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    SocketAddress target;
    unsigned bulk = 0;
    unsigned request = 0;
    unsigned idle = 0;
    unsigned silent = 0;
    std::chrono::milliseconds request_interval{10};  // of each session
  };
  // Of all sessions so far. Each is counted once: as what became of it first.
  struct Tally {
    unsigned alive = 0;  // and right
    unsigned reset = 0;
    unsigned closed = 0;  // an end of stream, which looks complete
    unsigned corrupt = 0;
    std::uint64_t bytes = 0;  // received by bulk sessions
    std::uint64_t requests = 0;
    unsigned ended() const { return reset + closed + corrupt; }
  };

  // Connects them all from the calling thread's network namespace; throws if one is not served within 30 s.
  explicit TrafficClients(const Options& options);
  ~TrafficClients();
  TrafficClients(const TrafficClients&) = delete;
  TrafficClients& operator=(const TrafficClients&) = delete;

  Tally tally() const;
  // Since the last call: the longest time that a bulk session got nothing, or a request waited for its
  // answer.
  std::chrono::microseconds take_longest_stall();
  // The idle ones have one more exchange, each at its own moment of that time: connections that have all been
  // silent since the same moment send their keepalive probes in one burst, which no queue of the kernel
  // holds.
  void spread(std::chrono::milliseconds time);
  // The bulk ones neither read nor send until they resume: whatever stands in between is left with what it
  // has got from the backend.
  void pause_bulk();
  void resume_bulk();
  // The silent ones say something, and are idle ones from then on.
  void speak_up();
  // Every session that is alive has an exchange, bulk ones get something: how many did not within `limit`.
  unsigned count_stuck(std::chrono::milliseconds limit);

 private:
  struct Session;
  void run();
  void turn(Clock::time_point now);
  void on_event(Session& session, std::uint32_t events, Clock::time_point now);
  void send_some(Session& session);
  void receive_some(Session& session, Clock::time_point now);
  void end(Session& session, unsigned Tally::*how);
  void ask(Session& session, Clock::time_point now);
  void watch_bulk(int operation);

  Options options_;
  Fd epoll_;
  std::vector<std::unique_ptr<Session>> sessions_;  // guarded by mutex_ once the thread runs
  mutable std::mutex mutex_;
  Tally tally_;                                 // guarded by mutex_
  std::chrono::microseconds longest_stall_{0};  // guarded by mutex_
  Clock::time_point next_request_{};
  std::size_t next_asked_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace vipward::test
