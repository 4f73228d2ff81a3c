// A ConfigMap whose one value counts up all the time, and watches that must tell of every number, once and in
// order. Each owns one thread, inside the client's host; results may be read at any time.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/system/control_plane.h"

namespace vipward::test {

class CountingConfigMap {
 public:
  static constexpr const char* kName = "counted";
  // Made with 0; from then on another number every few milliseconds, by one connection for as long as that
  // lives.
  explicit CountingConfigMap(ControlPlane& plane);
  ~CountingConfigMap();
  CountingConfigMap(const CountingConfigMap&) = delete;
  CountingConfigMap& operator=(const CountingConfigMap&) = delete;

  // The last one that the apiserver has accepted.
  unsigned count() const { return count_.load(); }
  // No more; empty, or what failed.
  std::string stop();

 private:
  void run();

  ControlPlane& plane_;
  std::atomic<unsigned> count_{0};
  std::atomic<bool> stopping_{false};
  std::string failure_;  // the thread's, until it has ended
  std::thread thread_;
};

class CountingWatch {
 public:
  // On a connection of its own. Throws if the apiserver does not begin to answer.
  explicit CountingWatch(ControlPlane& plane);
  ~CountingWatch();
  CountingWatch(const CountingWatch&) = delete;
  CountingWatch& operator=(const CountingWatch&) = delete;

  bool has_told(unsigned number) const;
  // What it was told so far, in its order.
  std::vector<unsigned> told() const;
  // How it ended; empty: it goes on.
  std::string end() const;

 private:
  void run();

  HttpClient client_;
  mutable std::mutex mutex_;
  std::vector<unsigned> told_;  // guarded by mutex_
  std::string end_;             // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// Why `told` is not every number from its first one to `last`, each once and in order; empty: it is.
std::string gap_in(const std::vector<unsigned>& told, unsigned last);

}  // namespace vipward::test
