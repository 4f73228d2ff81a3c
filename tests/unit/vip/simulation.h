// Hosts that run an Instance each, and the network between them, in simulated time: packets take 50 to 500
// microseconds and may get lost, timers and packets are looked at up to a millisecond late. One seed, one
// run.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "lb/event/random.h"
#include "lb/vip/instance.h"

namespace vipward {

class Simulation {
 public:
  struct Host {
    explicit Host(const InstanceSettings& given) : settings(given), instance(given), address(given.own) {}
    bool holds() const { return instance.state() == VipState::Active; }

    InstanceSettings settings;
    Instance instance;
    IpAddress address;
    bool resumes = false;  // at its next turn: made from a memory
    std::deque<HeardAdvertisement> inbox;
    TimePoint runs_at = TimePoint::max();  // its next turn, if something is due or has arrived
    TimePoint frozen_until{};              // SIGSTOP; packets queue meanwhile
    std::vector<TimePoint> sent;           // advertisements
    int transitions = 0;
  };

  Simulation(const std::vector<InstanceSettings>& settings, std::uint32_t seed);

  Host& host(std::size_t index) { return hosts_[index]; }
  Duration now() const { return now_ - begin_; }
  // The chance of each packet to get lost.
  void set_loss(double loss) { loss_ = loss; }
  // Everything that `from` sends to anybody is dropped.
  void mute(std::size_t from, bool muted) { muted_[from] = muted; }
  void freeze(std::size_t index, Duration how_long);

  // In place of its instance one that is made from its memory, as if nothing was.
  void replace(std::size_t index);
  // As the guardian does when it re-executes itself: one more advertisement, then for `gap` nobody listens,
  // then another instance goes on, with `settings`.
  void re_execute(std::size_t index, const InstanceSettings& settings, Duration gap);
  // The same up to the execution, which fails.
  void leave_in_vain(std::size_t index);

  void start(std::size_t index, bool vip_was_ours = false);
  void set_candidacy(std::size_t index, Candidacy candidacy);
  void run_for(Duration how_long);

  std::size_t holders() const;
  // Since the last reset_gaps(): how long without interruption nobody, or more than one, held the addresses.
  // A frozen host counts: its kernel still answers.
  Duration longest_without() const { return longest_without_; }
  Duration longest_shared() const { return longest_shared_; }
  void reset_gaps();
  // Who announced last.
  std::size_t last_announcer() const { return last_announcer_; }

 private:
  struct Packet {
    TimePoint arrives_at;
    std::size_t to;
    HeardAdvertisement heard;
  };

  void apply(std::size_t index, const Actions& actions);
  void send(std::size_t from, std::uint8_t priority);
  // `pause`: the last turn before nobody listens.
  void turn(std::size_t index, std::optional<Duration> pause = std::nullopt);
  void schedule(std::size_t index);
  void deliver();
  void pass_time(TimePoint to);
  Duration up_to(Duration most) { return std::chrono::duration_cast<Duration>(random_.fraction() * most); }

  TimePoint begin_ = TimePoint{} + std::chrono::hours(1);
  TimePoint now_ = begin_;
  Random random_;
  double loss_ = 0;
  std::vector<Host> hosts_;
  std::vector<bool> muted_;
  std::vector<Packet> on_the_way_;
  std::size_t last_announcer_ = 0;
  Duration without_{};
  Duration shared_{};
  Duration longest_without_{};
  Duration longest_shared_{};
};

}  // namespace vipward
