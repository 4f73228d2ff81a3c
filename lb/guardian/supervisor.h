// When to start the proxy, when to kill it, and whether it can be said to serve. Pure: events and `now` in,
// what is to be done out. Owner: the GuardianApp; it does what a Step says at once and asks again at
// next_deadline().
//
// A proxy that died or stalled is restarted in place: its clients have been reset by the kernel, new ones
// wait in the listeners, which are the guardian's. Only if none serves within kGrace, or at the third death
// within kDeathWindow, is the address given up (standing()).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "lb/event/time.h"

namespace vipward {

class Supervisor {
 public:
  static constexpr Duration kGrace = std::chrono::milliseconds(250);
  // The same while a predecessor holds sessions, which a release would reset: a successor that died is
  // replaced by one that has to be prepared first, and new clients can wait so long.
  static constexpr Duration kHandoverGrace = std::chrono::seconds(2);
  static constexpr Duration kDeathWindow = std::chrono::seconds(60);
  static constexpr std::size_t kMostDeaths = 3;  // within the window
  // A proxy that is not ready by then is killed. Generous: it reads certificates, on a machine that may be
  // busy.
  static constexpr Duration kStartLimit = std::chrono::seconds(10);
  // One that served for less than this, or never, makes the next start wait, twice as long each time, so that
  // a proxy that cannot serve does not burn a core; never so long that a working one would miss kGrace.
  static constexpr Duration kShortService = std::chrono::milliseconds(50);
  static constexpr Duration kFirstPause = std::chrono::milliseconds(25);
  static constexpr Duration kLongestPause = std::chrono::milliseconds(100);

  struct Step {
    bool start = false;  // spawn one; on_exited() follows if that fails
    bool kill = false;   // SIGKILL; on_exited() follows
  };
  enum class Standing : std::uint8_t {
    Serving,     // or interrupted for less than the grace
    CrashLoop,   // the same, but dies too often
    NotServing,  // none serves
  };

  Step start(TimePoint now);
  // What the guardian's next image has to know.
  struct Memory {
    std::vector<TimePoint> deaths;
    std::uint64_t restarts = 0;
  };
  Memory memory() const { return {.deaths = {deaths_.begin(), deaths_.end()}, .restarts = restarts_}; }
  // Instead of start(): a prepared proxy takes over from one that has served until now, and is still there
  // until on_predecessor_ended().
  void succeed(TimePoint now, const Memory& memory);
  void on_predecessor_ended() { has_predecessor_ = false; }
  Step on_ready(TimePoint now);
  // It ended, for whatever reason.
  Step on_exited(TimePoint now);
  // Its vitals stand still, or it said what no proxy says.
  Step on_unfit(TimePoint now);
  Step on_time(TimePoint now);
  // No more starts.
  void stop() { phase_ = Phase::Stopped; }

  Standing standing(TimePoint now) const;
  bool is_serving() const { return phase_ == Phase::Serving; }
  // How often a proxy was started after one had been there: proxy_restarts_total.
  std::uint64_t restarts() const { return restarts_; }
  bool has_ever_served() const { return has_ever_served_; }
  std::optional<TimePoint> next_deadline(TimePoint now) const;

 private:
  enum class Phase : std::uint8_t { Stopped, Waiting, Starting, Serving, Dying };

  void forget_old_deaths(TimePoint now);
  Duration grace() const { return has_predecessor_ ? kHandoverGrace : kGrace; }
  bool is_in_grace(TimePoint now) const;
  Step spawn(TimePoint now);

  Phase phase_ = Phase::Stopped;
  TimePoint started_at_{};
  TimePoint start_at_{};                        // Phase::Waiting
  std::optional<TimePoint> ready_at_;           // of this proxy
  std::optional<TimePoint> interrupted_since_;  // one served before; none does now
  Duration pause_{};
  std::deque<TimePoint> deaths_;  // not older than kDeathWindow
  std::uint64_t restarts_ = 0;
  bool has_ever_served_ = false;
  bool has_predecessor_ = false;
};

}  // namespace vipward
