// Keeps a log line that a stranger can provoke from coming more than once a minute per cause. Pure. Owner:
// whoever logs.
#pragma once

#include <map>
#include <string>

#include "lb/event/time.h"

namespace vipward {

class SaidOnce {
 public:
  static constexpr Duration kSilence = std::chrono::minutes(1);
  static constexpr std::size_t kMostCauses = 64;

  // Whether `cause` may be said now; if so it counts as said.
  bool may_say(const std::string& cause, TimePoint now) {
    std::erase_if(said_, [&](const auto& entry) { return now - entry.second >= kSilence; });
    if (said_.contains(cause) || said_.size() >= kMostCauses) return false;
    said_.emplace(cause, now);
    return true;
  }

 private:
  std::map<std::string, TimePoint> said_;
};

}  // namespace vipward
