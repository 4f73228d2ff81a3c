#include "lb/proxy/connect_plan.h"

#include <algorithm>

#include "lb/balance/rules.h"

namespace vipward {

void ConnectPlan::begin(TimePoint now, const Limits& limits) {
  limits_ = limits;
  deadline_ = now + limits.deadline;
  tried_.clear();
}

ConnectPlan::Step ConnectPlan::next(TimePoint now, std::span<const View> backends, Picker& picker,
                                    Random& random) {
  if (now >= deadline_) return DeadlinePassed{};
  std::vector<Candidate> candidates;
  int best_round = 0;
  for (std::size_t i = 0; i < backends.size(); ++i) {
    const auto round = attempt_round(backends[i].state, limits_.fail_open);
    if (!round || was_tried(i)) continue;
    if (!candidates.empty() && *round > best_round) continue;
    if (*round < best_round) candidates.clear();
    best_round = *round;
    candidates.push_back(
        {.backend = i, .weight = backends[i].weight, .connections = backends[i].connections});
  }
  if (candidates.empty()) return Exhausted{};
  const std::size_t chosen = picker.pick(candidates, random);
  tried_.push_back(chosen);
  return Attempt{.backend = chosen, .give_up_at = std::min(now + limits_.attempt, deadline_)};
}

void ConnectPlan::take_back(std::size_t backend) {
  std::erase(tried_, backend);
}

bool ConnectPlan::was_tried(std::size_t backend) const {
  return std::find(tried_.begin(), tried_.end(), backend) != tried_.end();
}

}  // namespace vipward
