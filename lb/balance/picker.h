// Which of several equally eligible backends gets the next session. No system call, no clock. Owner: a
// worker, one picker per service.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>

#include "lb/event/random.h"

namespace vipward {

struct Candidate {
  std::size_t backend = 0;        // position in the service
  unsigned weight = 1;            // at least 1
  std::uint32_t connections = 0;  // now, over all workers, attempts included
};

class Picker {
 public:
  virtual ~Picker() = default;
  // Returns the `backend` of one of the candidates; there is at least one.
  virtual std::size_t pick(std::span<const Candidate> candidates, Random& random) = 0;
};

// The fewest connections per weight; ties at random, so that workers and hosts that start together do not all
// choose the first.
std::unique_ptr<Picker> make_least_connections();
// In turn by weight, spread evenly (the smooth weighted round-robin that nginx made known): 5,1,1 is a a b a
// c a a. What each backend is owed, by position in the service, is shared by the service's pickers of all
// workers and outlives them. Of two that pick at the same moment both may see the same backend's turn: it is
// owed less afterwards.
using RoundRobinTurns = std::deque<std::atomic<std::int64_t>>;
std::unique_ptr<Picker> make_round_robin(RoundRobinTurns& turns);

}  // namespace vipward
