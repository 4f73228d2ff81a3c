// What a controller does by client-go, in small: a ConfigMap that is written whatever becomes of a
// connection, and watches of it that are taken up again from the last resourceVersion, so that a lost
// connection loses no event. Each FollowedWatch and SteadyWriter owns one thread, inside the client's host;
// results may be read at any time.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/system/control_plane.h"

namespace vipward::test {

// One number, written again until the apiserver has it: by resourceVersion, so that it is there once. One
// thread at a time, but for count().
class NumberedConfigMap {
 public:
  // Made with 0; there must be none of that name.
  NumberedConfigMap(ControlPlane& plane, std::string name);

  const std::string& name() const { return name_; }
  // The last one that the apiserver has accepted.
  unsigned count() const { return count_; }
  // From a thread inside the client's host. False after `limit`.
  bool write_next(std::chrono::milliseconds limit);

 private:
  bool take(const HttpResponse& response, unsigned wanted);

  std::string name_;
  HttpClient client_;
  std::string version_;
  std::atomic<unsigned> count_{0};
};

// Another number every few milliseconds.
class SteadyWriter {
 public:
  SteadyWriter(ControlPlane& plane, NumberedConfigMap& map);
  ~SteadyWriter();
  SteadyWriter(const SteadyWriter&) = delete;
  SteadyWriter& operator=(const SteadyWriter&) = delete;

  // No more; false if a write was never accepted.
  bool stop();

 private:
  Host client_host_;
  NumberedConfigMap& map_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> has_failed_{false};
  std::thread thread_;
};

class FollowedWatch {
 public:
  using Clock = std::chrono::steady_clock;
  // A connection that had begun to tell, and how it ended: Closed, Reset ...
  struct Loss {
    Clock::time_point at;
    ClientError how;
    std::optional<Clock::time_point> again;  // when the next one had begun
  };

  // A connection of its own. Throws if the apiserver does not begin to answer.
  FollowedWatch(ControlPlane& plane, std::string name);
  ~FollowedWatch();
  FollowedWatch(const FollowedWatch&) = delete;
  FollowedWatch& operator=(const FollowedWatch&) = delete;

  bool has_told(unsigned number) const;
  // What it read first, and then was told, in its order.
  std::vector<unsigned> told() const;
  std::vector<Loss> losses_since(Clock::time_point moment) const;
  // An answer that is no watch, as 410 for a resourceVersion that is too old; empty: none.
  std::string failure() const;

 private:
  void run();
  void read();
  void watch_again();
  // Begins to tell; false: no connection, or no answer on it.
  bool open();
  void take(const std::string& event);

  Host client_host_;
  std::string name_;
  HttpClient client_;
  std::string version_;  // the thread's
  mutable std::mutex mutex_;
  std::vector<unsigned> told_;  // guarded by mutex_, as are the next two
  std::vector<Loss> losses_;
  std::string failure_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace vipward::test
