// Looks at two hosts all the time, and keeps how long both had an address at once. Owns one thread; any
// thread may ask.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/network.h"

namespace vipward::test {

class HolderWatch {
 public:
  HolderWatch(const Host& one, const Host& other, const IpAddress& address);
  ~HolderWatch();
  HolderWatch(const HolderWatch&) = delete;
  HolderWatch& operator=(const HolderWatch&) = delete;

  void forget() { longest_ = std::chrono::microseconds{0}; }
  // Since the last forget(); in steps of the pause between two looks. Longer than anything once it could not
  // look: nobody knows then.
  std::chrono::microseconds longest_with_both() const {
    return has_failed_ ? std::chrono::microseconds::max() : longest_.load();
  }

 private:
  void run();
  void watch();

  Host one_;
  Host other_;
  IpAddress address_;
  std::atomic<std::chrono::microseconds> longest_{std::chrono::microseconds{0}};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> has_failed_{false};
  std::thread thread_;
};

}  // namespace vipward::test
