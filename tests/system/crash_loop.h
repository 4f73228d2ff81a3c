// A proxy that crashes again and again: every proxy of the hosts is killed when it has lived for `life`, as
// often as the hosts start a new one. Owner: a test, on its main thread.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "tests/system/edge_host.h"

namespace vipward::test {

class CrashLoop {
 public:
  using Clock = std::chrono::steady_clock;
  CrashLoop(std::vector<EdgeHost*> hosts, std::chrono::milliseconds life)
      : hosts_(std::move(hosts)), life_(life) {}

  // Returns when `length` has passed.
  void run_for(std::chrono::milliseconds length);
  unsigned kills() const { return kills_; }

 private:
  void look(Clock::time_point now);

  std::vector<EdgeHost*> hosts_;
  std::chrono::milliseconds life_;
  std::map<pid_t, Clock::time_point> first_seen_;
  unsigned kills_ = 0;
};

}  // namespace vipward::test
