// Clients that are connected when a fault happens: some idle after one exchange, as a watch is, some that
// have sent nothing yet. When and how each connection ends is kept, as the client sees it. Owns one thread;
// the results may be read at any time.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/client_stream.h"

namespace vipward::test {

class EstablishedClients {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    SocketAddress target;
    unsigned idle = 20;
    unsigned silent = 5;
  };
  // What became of them since a moment.
  struct Tally {
    unsigned reset = 0;
    unsigned closed = 0;   // an end of stream, which looks complete, or any other end that is no reset
    unsigned hanging = 0;  // nothing: they do not know
    std::optional<std::chrono::microseconds> last_end{};
    bool all_reset() const { return reset > 0 && closed == 0 && hanging == 0; }
  };

  // Connects them from the calling thread's network namespace; throws if one is not served.
  explicit EstablishedClients(const Options& options);
  ~EstablishedClients();
  EstablishedClients(const EstablishedClients&) = delete;
  EstablishedClients& operator=(const EstablishedClients&) = delete;

  Tally tally_since(Clock::time_point moment) const;
  // All have ended; false after `limit`.
  bool wait_until_ended(std::chrono::milliseconds limit) const;
  // Every connection still open, of those that had an exchange, has another one: how many did.
  unsigned ask_again(std::chrono::milliseconds limit);

 private:
  struct Client {
    std::unique_ptr<ClientStream> stream{};
    bool is_silent = false;
    unsigned answers = 0;
    ClientError end = ClientError::None;
    Clock::time_point ended{};
  };

  void run();
  void receive(Client& client);

  mutable std::mutex mutex_;  // guards what the clients hold, once the thread runs
  std::vector<Client> clients_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// "25 reset in 1.2 ms", "20 hang, 5 reset in 3.4 ms"
std::string to_string(const EstablishedClients::Tally& tally);

}  // namespace vipward::test
