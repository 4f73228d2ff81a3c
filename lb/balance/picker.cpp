#include "lb/balance/picker.h"

#include <algorithm>

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
  std::size_t pick(std::span<const Candidate> candidates, Random&) override {
    std::int64_t total = 0;
    const Candidate* best = &candidates.front();
    for (const Candidate& candidate : candidates) {
      if (candidate.backend >= credit_.size()) credit_.resize(candidate.backend + 1, 0);
      credit_[candidate.backend] += candidate.weight;
      total += candidate.weight;
      if (credit_[candidate.backend] > credit_[best->backend]) best = &candidate;
    }
    credit_[best->backend] -= total;
    return best->backend;
  }

 private:
  std::vector<std::int64_t> credit_;  // by backend
};

}  // namespace

std::unique_ptr<Picker> make_least_connections() {
  return std::make_unique<LeastConnections>();
}
std::unique_ptr<Picker> make_round_robin() {
  return std::make_unique<RoundRobin>();
}

}  // namespace vipward
