#include "lb/vip/keeping.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// How soon an address that the kernel refused is tried again.
constexpr Duration kRetry = 1s;
constexpr Duration kLongestRetry = 60s;

}  // namespace

Keeping::Keeping(Log& log, AddressKeeperSettings settings, LinkWatch& links)
    : log_(log), keeper_(std::move(settings), links) {}

bool Keeping::remove_left_overs() {
  const AddressKeeper::LeftOvers left = keeper_.remove_left_overs();
  for (const RecordedAddress& address : left.removed) {
    log_.warn("address left behind by an earlier life removed",
              {{"address", address.address.to_string()}, {"interface", address.interface}});
  }
  if (left.problem) log_.error("address left behind cannot be removed", {{"error", *left.problem}});
  return left.were_usable;
}

void Keeping::go_on(TimePoint now, const KeepingMemory& memory) {
  keeper_.go_on(now, memory.addresses);
  problem_ = memory.problem;
  retry_at_ = memory.retry_at;
  pause_ = memory.pause;
  incomplete_since_ = memory.incomplete_since;
}

KeepingMemory Keeping::memory() const {
  return {.addresses = keeper_.memory(),
          .problem = problem_,
          .retry_at = retry_at_,
          .pause = pause_,
          .incomplete_since = incomplete_since_};
}

void Keeping::drop_surplus(TimePoint now) {
  if (const auto problem = keeper_.drop_surplus(now)) {
    log_.error("an address that is no longer configured cannot be removed", {{"error", *problem}});
  }
}

std::optional<std::string> Keeping::take(TimePoint now) {
  auto problem = keeper_.add(now);
  if (!problem) {
    pause_ = {};
    return std::nullopt;
  }
  keeper_.remove(now);
  refuse(now, *problem);
  return problem;
}

bool Keeping::give_up(TimePoint now) {
  const auto problem = keeper_.remove(now);
  if (problem) log_.error("the address cannot be removed", {{"error", *problem}});
  return !problem;
}

bool Keeping::keep(TimePoint now) {
  const std::uint64_t restored = keeper_.restored();
  const bool is_new = keeper_.repair();
  if (keeper_.restored() != restored) {
    log_.warn("address was removed by somebody else and is back", {{"restored", keeper_.restored()}});
  }
  keeper_.renew(now);
  if (!keeper_.is_holding() || keeper_.is_complete()) {
    incomplete_since_.reset();
  } else if (now - incomplete_since_.value_or(now) >= kRetry) {
    // The kernel takes it no more: let the peer have it.
    incomplete_since_.reset();
    refuse(now, "an address cannot be put back");
  } else if (!incomplete_since_) {
    incomplete_since_ = now;
  }
  return is_new;
}

void Keeping::expire(TimePoint now) {
  if (retry_at_ && now >= *retry_at_) retry_at_.reset();
}

std::optional<TimePoint> Keeping::next_deadline() const {
  const auto at = keeper_.next_deadline();
  return at && retry_at_ ? std::min(at, retry_at_) : (at ? at : retry_at_);
}

// Once more after a pause that grows: each attempt costs the peer its turn.
void Keeping::refuse(TimePoint now, const std::string& problem) {
  problem_ = problem;
  pause_ = std::clamp(pause_ * 2, kRetry, kLongestRetry);
  retry_at_ = now + pause_;
  log_.error("the address cannot be kept", {{"error", problem}});
}

}  // namespace vipward
