// Other holders of the address that show themselves: hosts that claim it by ARP or neighbour discovery,
// routers that are active on our VRID and no peers. Remembers the last one for a while, counts all, and keeps
// a stranger from filling the log. Pure. Owner: the VirtualRouter.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "lb/event/time.h"
#include "lb/vip/said_once.h"

namespace vipward {

// The one that shows itself now, for another ConflictWatch.
struct ConflictMemory {
  TimePoint since{};
  std::optional<TimePoint> until;
  std::string last;
};

class ConflictWatch {
 public:
  // Whoever showed itself counts as there for so long; the Announcer asks once a second.
  static constexpr Duration kMemory = std::chrono::seconds(3);

  // `who`: a sentence about the holder, the same for the same one. True: it is worth a log line.
  bool observe(TimePoint now, const std::string& who) {
    ++count_;
    if (!until_) since_ = now;
    until_ = now + kMemory;
    last_ = who;
    return said_.may_say(who, now);
  }
  // Goes on where the other one stopped; count() begins anew.
  void go_on(const ConflictMemory& memory) {
    since_ = memory.since;
    until_ = memory.until;
    last_ = memory.last;
  }
  ConflictMemory memory() const { return {.since = since_, .until = until_, .last = last_}; }
  // The time has come to forget.
  void expire(TimePoint now) {
    if (until_ && now >= *until_) until_.reset();
  }
  // Packets and frames that showed one.
  std::uint64_t count() const { return count_; }
  bool is_under_way() const { return until_.has_value(); }
  // When the one that is under way began, as far as is known.
  TimePoint since() const { return since_; }
  const std::string& last() const { return last_; }
  std::optional<TimePoint> next_deadline() const { return until_; }

 private:
  std::uint64_t count_ = 0;
  TimePoint since_{};
  std::optional<TimePoint> until_;
  std::string last_;
  SaidOnce said_;
};

}  // namespace vipward
