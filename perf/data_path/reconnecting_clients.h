// Clients that all lose their connection at one moment and come back at once, as after a failover: each asks
// as soon as it is connected, and waits for its answer (exchange.h). One thread.
#pragma once

#include <chrono>
#include <deque>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::perf {

class ReconnectingClients {
 public:
  // Connected, a few at a time, and served once. Throws std::runtime_error if that takes more than half a
  // minute.
  ReconnectingClients(const SocketAddress& target, unsigned count);
  // Resets what it has.
  ~ReconnectingClients();
  ReconnectingClients(const ReconnectingClients&) = delete;
  ReconnectingClients& operator=(const ReconnectingClients&) = delete;

  struct Outcome {
    std::chrono::nanoseconds time{};  // from the first one's attempt to the last one's answer
    unsigned turned_away = 0;         // reset, or ended, without an answer; they try again
  };
  // All are reset, and come back. Throws like the constructor.
  Outcome reconnect();

 private:
  struct Client;
  using Clock = std::chrono::steady_clock;
  // At most so many at the same time.
  Outcome serve_all(unsigned at_once);
  void begin(Client& client);
  void on_events(Client& client, unsigned events);
  void turn_away(Client& client);
  // What has happened by `deadline`; waits for nothing more than the first.
  void take_events(Clock::time_point deadline);

  SocketAddress target_;
  Fd epoll_;
  std::deque<Client> clients_;
  std::size_t served_ = 0;
  unsigned turned_away_ = 0;
};

}  // namespace vipward::perf
