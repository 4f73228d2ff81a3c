#include "lb/vip/announce_plan.h"

#include <algorithm>
#include <utility>

namespace vipward {
void AnnouncePlan::start(TimePoint now, std::vector<IpAddress> addresses) {
  running_ = true;
  set_addresses(std::move(addresses));
  round_pass_ = {};
  probe_pass_ = {};
  round_ = 0;
  round_gap_ = kShortestRoundGap;
  last_restart_.reset();
  rounds_from_ = std::max(now, last_round_ + round_gap_);
  probe_at_ = now + kProbePeriod;
}

void AnnouncePlan::go_on(const AnnounceMemory& memory, std::vector<IpAddress> addresses) {
  stop();
  last_round_ = memory.last_round;  // a start that follows keeps its distance, too
  if (!memory.running) return;
  running_ = true;
  set_addresses(std::move(addresses));
  rounds_from_ = memory.rounds_from;
  round_ = memory.round;
  last_restart_ = memory.last_restart;
  round_gap_ = memory.round_gap;
  probe_at_ = memory.probe_at;
  if (memory.in_round) begin_round_pass();
}

AnnounceMemory AnnouncePlan::memory() const {
  return {.running = running_,
          .rounds_from = rounds_from_,
          .round = round_,
          .in_round = !round_pass_.is_done(),
          .last_round = last_round_,
          .last_restart = last_restart_,
          .round_gap = round_gap_,
          .probe_at = probe_at_};
}

void AnnouncePlan::restart(TimePoint now) {
  if (!running_) return;
  const bool is_calm = !last_restart_ || now - *last_restart_ >= kRestartCalm;
  last_restart_ = now;
  if (round_ == 0) return;  // the first round of a sequence has not begun yet: it serves this call too
  round_gap_ = is_calm ? kShortestRoundGap : std::min<Duration>(2 * round_gap_, kLongestRoundGap);
  round_ = 0;
  rounds_from_ = std::max(now, last_round_ + round_gap_);
}

void AnnouncePlan::stop() {
  running_ = false;
  set_addresses({});
  round_pass_ = {};
  probe_pass_ = {};
}

std::vector<Announcement> AnnouncePlan::take_due(TimePoint now) {
  std::vector<Announcement> due;
  if (now - burst_from_ >= kBurstPeriod) {
    burst_from_ = now;
    burst_frames_ = 0;
  }
  while (running_ && burst_frames_ < kFramesPerBurst) {
    begin_due_passes(now);
    if (!round_pass_.is_done()) {
      due.push_back(round_frames_[round_pass_.next++]);
    } else if (!probe_pass_.is_done()) {
      due.push_back({.kind = AnnouncementKind::Probe, .address = addresses_[probe_pass_.next++]});
    } else {
      break;
    }
    ++burst_frames_;
  }
  return due;
}

std::optional<TimePoint> AnnouncePlan::next_deadline() const {
  if (!running_) return std::nullopt;
  if (!round_pass_.is_done() || !probe_pass_.is_done()) return burst_from_ + kBurstPeriod;
  const auto round_at = next_round_at();
  return round_at ? std::min(*round_at, probe_at_) : probe_at_;
}

void AnnouncePlan::set_addresses(std::vector<IpAddress> addresses) {
  addresses_ = std::move(addresses);
  round_frames_.clear();
  for (const IpAddress& address : addresses_) {
    if (address.is_v4()) {
      round_frames_.push_back({.kind = AnnouncementKind::GarpRequest, .address = address});
      round_frames_.push_back({.kind = AnnouncementKind::GarpReply, .address = address});
    } else {
      round_frames_.push_back({.kind = AnnouncementKind::UnsolicitedNa, .address = address});
    }
  }
}

void AnnouncePlan::begin_round_pass() {
  round_pass_ = {.next = 0, .frames = round_frames_.size()};
}

void AnnouncePlan::begin_due_passes(TimePoint now) {
  const auto round_at = next_round_at();
  if (round_pass_.is_done() && round_at && now >= *round_at) {
    begin_round_pass();
    last_round_ = now;
    do {
      ++round_;
    } while (round_ < kAnnounceOffsets.size() && now >= rounds_from_ + kAnnounceOffsets[round_]);
  }
  if (probe_pass_.is_done() && now >= probe_at_) {
    probe_pass_ = {.next = 0, .frames = addresses_.size()};
    probe_at_ = now + kProbePeriod;
  }
}

std::optional<TimePoint> AnnouncePlan::next_round_at() const {
  if (round_ == 0) return rounds_from_;
  const TimePoint earliest = last_round_ + kShortestRoundGap;
  if (round_ < kAnnounceOffsets.size()) return std::max(earliest, rounds_from_ + kAnnounceOffsets[round_]);
  if (refresh_ <= Duration::zero()) return std::nullopt;
  return std::max(earliest, last_round_ + refresh_);
}

}  // namespace vipward
