// What `vipward release` asks for: this host is no candidate until `resume`, until its time is over, or until
// nobody else was heard for a down interval (the Instance finds that out). Pure. Owner: the GuardianApp.
#pragma once

#include <optional>

#include "lb/event/time.h"

namespace vipward {

class OperatorHold {
 public:
  // `limit` absent: until resume.
  void begin(TimePoint now, std::optional<Duration> limit) {
    begin_until(limit ? std::optional(now + *limit) : std::nullopt);
  }
  void begin_until(std::optional<TimePoint> end) {
    active_ = true;
    ends_at_ = end;
  }
  void end() {
    active_ = false;
    ends_at_.reset();
  }
  bool is_active() const { return active_; }
  std::optional<TimePoint> ends_at() const { return ends_at_; }
  // True: its time was over just now.
  bool expire(TimePoint now) {
    if (!active_ || !ends_at_ || now < *ends_at_) return false;
    end();
    return true;
  }

 private:
  bool active_ = false;
  std::optional<TimePoint> ends_at_;
};

}  // namespace vipward
