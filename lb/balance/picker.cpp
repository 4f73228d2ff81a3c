#include "lb/balance/picker.h"

#include <limits>

namespace vipward {
namespace {

class LeastConnections final : public Picker {
 public:
  std::size_t pick(std::span<const Candidate> candidates, Random& random) override {
    const Candidate* best = &candidates.front();
    std::uint32_t tied = 1;
    for (const Candidate& candidate : candidates.subspan(1)) {
      const int order = compare(candidate, *best);
      if (order > 0) continue;
      tied = order < 0 ? 1 : tied + 1;
      // Reservoir sampling: each of n tied candidates ends up chosen with 1/n.
      if (order < 0 || random.below(tied) == 0) best = &candidate;
    }
    return best->backend;
  }

 private:
  // The load each would have with one more connection, compared without a division: an idle backend of weight
  // 2 comes before an idle one of weight 1.
  static int compare(const Candidate& a, const Candidate& b) {
    const std::uint64_t left = (std::uint64_t{a.connections} + 1) * b.weight;
    const std::uint64_t right = (std::uint64_t{b.connections} + 1) * a.weight;
    if (left == right) return 0;
    return left < right ? -1 : 1;
  }
};

class RoundRobin final : public Picker {
 public:
  explicit RoundRobin(RoundRobinTurns& turns) : turns_(turns) {}

  std::size_t pick(std::span<const Candidate> candidates, Random&) override {
    std::int64_t total = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::min();
    std::size_t best = 0;
    for (const Candidate& candidate : candidates) {
      const std::int64_t owed =
          turns_[candidate.backend].fetch_add(candidate.weight, std::memory_order_relaxed) + candidate.weight;
      total += candidate.weight;
      if (owed <= most) continue;
      most = owed;
      best = candidate.backend;
    }
    turns_[best].fetch_sub(total, std::memory_order_relaxed);
    return best;
  }

 private:
  RoundRobinTurns& turns_;
};

}  // namespace

std::unique_ptr<Picker> make_least_connections() {
  return std::make_unique<LeastConnections>();
}
std::unique_ptr<Picker> make_round_robin(RoundRobinTurns& turns) {
  return std::make_unique<RoundRobin>(turns);
}

}  // namespace vipward
