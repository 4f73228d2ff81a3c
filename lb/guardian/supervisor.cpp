#include "lb/guardian/supervisor.h"

#include <algorithm>
#include <utility>

namespace vipward {

Supervisor::Step Supervisor::start(TimePoint now) {
  return spawn(now);
}

void Supervisor::succeed(TimePoint now, const Memory& memory) {
  deaths_.assign(memory.deaths.begin(), memory.deaths.end());
  restarts_ = memory.restarts;
  has_ever_served_ = true;
  has_predecessor_ = true;
  interrupted_since_ = now;
  spawn(now);
}

Supervisor::Step Supervisor::spawn(TimePoint now) {
  phase_ = Phase::Starting;
  started_at_ = now;
  ready_at_.reset();
  return {.start = true};
}

Supervisor::Step Supervisor::on_ready(TimePoint now) {
  if (phase_ != Phase::Starting) return {};
  phase_ = Phase::Serving;
  ready_at_ = now;
  has_ever_served_ = true;
  interrupted_since_.reset();
  return {};
}

Supervisor::Step Supervisor::on_unfit(TimePoint now) {
  if (phase_ != Phase::Serving && phase_ != Phase::Starting) return {};
  if (phase_ == Phase::Serving) interrupted_since_ = now;
  phase_ = Phase::Dying;
  return {.kill = true};
}

Supervisor::Step Supervisor::on_exited(TimePoint now) {
  if (phase_ == Phase::Stopped || phase_ == Phase::Waiting) return {};
  if (phase_ == Phase::Serving) interrupted_since_ = now;
  forget_old_deaths(now);
  deaths_.push_back(now);
  ++restarts_;
  const bool has_served = ready_at_ && now - *ready_at_ >= kShortService;
  pause_ =
      has_served ? Duration::zero() : std::clamp(pause_ * 2, Duration(kFirstPause), Duration(kLongestPause));
  if (pause_ == Duration::zero()) return spawn(now);
  phase_ = Phase::Waiting;
  start_at_ = now + pause_;
  return {};
}

Supervisor::Step Supervisor::on_time(TimePoint now) {
  forget_old_deaths(now);
  if (phase_ == Phase::Waiting && now >= start_at_) return spawn(now);
  if (phase_ == Phase::Starting && now >= started_at_ + kStartLimit) return on_unfit(now);
  return {};
}

void Supervisor::forget_old_deaths(TimePoint now) {
  while (!deaths_.empty() && now - deaths_.front() >= kDeathWindow) deaths_.pop_front();
}

bool Supervisor::is_in_grace(TimePoint now) const {
  return interrupted_since_ && now - *interrupted_since_ < grace();
}

Supervisor::Standing Supervisor::standing(TimePoint now) const {
  if (phase_ != Phase::Serving && !is_in_grace(now)) return Standing::NotServing;
  const auto recent = std::count_if(deaths_.begin(), deaths_.end(),
                                    [&](TimePoint death) { return now - death < kDeathWindow; });
  return static_cast<std::size_t>(recent) >= kMostDeaths ? Standing::CrashLoop : Standing::Serving;
}

std::optional<TimePoint> Supervisor::next_deadline(TimePoint now) const {
  std::optional<TimePoint> next;
  const auto consider = [&](TimePoint at) {
    if (!next || at < *next) next = at;
  };
  if (phase_ == Phase::Stopped) return next;
  if (phase_ == Phase::Waiting) consider(start_at_);
  if (phase_ == Phase::Starting) consider(started_at_ + kStartLimit);
  if (is_in_grace(now)) consider(*interrupted_since_ + grace());
  if (deaths_.size() >= kMostDeaths) consider(deaths_[deaths_.size() - kMostDeaths] + kDeathWindow);
  return next;
}

}  // namespace vipward
