// Opens a new connection every few milliseconds, whatever became of the ones before, asks for one answer of
// the backend behind it (a listening socket alone completes connects) and keeps the books: what failed, how
// and when, and the longest time without an answer. Owns one thread, in the network namespace of the thread
// that made it. start and stop by construction and stop(); the results may be read at any time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/client_stream.h"

namespace vipward::test {

class Prober {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    SocketAddress target;
    // Absent: one byte is sent, and one byte awaited. Else an HTTPS request, GET `path`, and all of its
    // answer.
    std::shared_ptr<const ClientTlsContext> tls{};
    std::string path = "/whoami";
    std::chrono::milliseconds interval{2};
    std::chrono::milliseconds limit{20};  // of each probe
  };
  struct Failure {
    Clock::time_point started;
    Clock::time_point ended;
    ClientError error = ClientError::None;
    std::string detail;
  };

  explicit Prober(Options options);
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // Waits for the probes under way, at most `limit` long, and ends the thread.
  void stop();

  std::uint64_t answered() const;
  // By the answer's first line: which backend said it.
  std::map<std::string, std::uint64_t> answers() const;
  std::vector<Failure> failures() const;
  // Of those that began at `moment` or later.
  std::vector<Failure> failures_since(Clock::time_point moment) const;
  // "3 reset, 1 timeout", or "none".
  std::string failures_by_kind() const;
  // The longest time between two answers in a row, until now or stop(); the interval is in it.
  std::chrono::microseconds longest_gap() const;

 private:
  class Probe;
  using Probes = std::vector<std::unique_ptr<Probe>>;

  void run();
  void finish(const Probe& probe, Clock::time_point now);
  std::chrono::microseconds open_gap() const;  // since the last answer; with the mutex held

  const Options options_;
  const std::string request_;
  mutable std::mutex mutex_;  // guards what follows, up to the thread
  bool stopping_ = false;
  std::uint64_t answered_ = 0;
  std::map<std::string, std::uint64_t> answers_;
  std::vector<Failure> failures_;
  Clock::time_point last_answer_;
  std::chrono::microseconds longest_gap_{0};
  std::thread thread_;
};

}  // namespace vipward::test
