// What becomes of a reload or an upgrade after its commit, in one answer: collected while the predecessor
// hands over, told to whoever asked, at the latest after kLongestWait. Owner: the GuardianApp; main thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/event/time.h"
#include "lb/guardian/control_server.h"
#include "lb/log/log.h"

namespace vipward {

class HandoverReport {
 public:
  // Who asks by SIGHUP is told in the log alone.
  static constexpr Duration kLongestWait = std::chrono::seconds(30);

  // The commit; by number where it goes to the guardian's next image.
  struct Begun {
    SuccessionKind kind = SuccessionKind::Reload;
    std::optional<int> reply;
    TimePoint asked_at{};
    TimePoint committed_at{};
    std::uint64_t predecessor = 0;  // generations
    std::uint64_t successor = 0;
    std::string from_version;          // what ran before: "0.1.0 (a1b2c3)"
    std::vector<std::string> changes;  // for people, one a line
  };
  HandoverReport(Log& log, const Begun& begun, std::string to_version);

  // As long as nothing has been concluded, for another image.
  Begun lent() const;

  void on_inherited(std::uint32_t sessions, Duration longest_stall);
  void on_handed_over(std::uint32_t left) { left_ = left; }
  // A successor died, and reset what had moved to it; the next one takes over what is left.
  void on_successor_ended();
  // Its number, once it serves; the first one's is known.
  void on_serving(std::uint64_t generation);
  // `in_order`: with nothing left.
  void on_predecessor_ended(bool in_order);
  // True once everything has been said.
  bool conclude(TimePoint now);
  std::optional<TimePoint> next_deadline() const;

 private:
  bool is_complete() const { return predecessor_ended_ && inherited_; }
  std::string who_serves() const;
  std::string summary() const;
  std::string losses() const;
  void answer();

  Log& log_;
  Begun begun_;
  std::string to_version_;
  CommandReply reply_;
  bool inherited_ = false;
  bool predecessor_ended_ = false;
  bool in_order_ = true;
  std::uint64_t serving_;         // or the last one that did
  bool nobody_serves_ = false;    // as one has died
  std::uint32_t moved_ = 0;       // to the one that serves
  std::uint32_t moved_lost_ = 0;  // to those that died
  std::uint32_t left_ = 0;
  unsigned lost_successors_ = 0;
  Duration longest_stall_{};
};

}  // namespace vipward
