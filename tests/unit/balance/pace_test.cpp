#include "lb/balance/pace.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// How many are closed at each tick until none is left.
std::vector<std::size_t> batches_of(std::size_t sessions) {
  Pace pace;
  std::vector<std::size_t> batches;
  while (sessions > 0) {
    const std::size_t batch = std::min(pace.next_batch(sessions), sessions);
    REQUIRE(batch > 0);
    sessions -= batch;
    batches.push_back(batch);
  }
  return batches;
}

TEST_CASE("3,000 sessions are closed within three seconds, no 100 ms with more than a tenth of them") {
  const auto batches = batches_of(3000);
  CHECK(batches.size() * kPaceTick <= 3s);
  CHECK(batches.size() * kPaceTick >= 1s);
  CHECK(std::accumulate(batches.begin(), batches.end(), std::size_t{0}) == 3000);
  // Any 100 ms touch at most three ticks.
  for (std::size_t i = 0; i + 2 < batches.size(); ++i) {
    CHECK(batches[i] + batches[i + 1] + batches[i + 2] <= 300);
  }
}

TEST_CASE("few sessions go one at a tick") {
  CHECK(batches_of(1) == std::vector<std::size_t>{1});
  CHECK(batches_of(3) == std::vector<std::size_t>{1, 1, 1});
  CHECK(batches_of(40).size() == 40);
  CHECK(batches_of(41).size() == 21);
}

TEST_CASE("a group that shrinks keeps the pace it began with, one that grows raises it") {
  Pace pace;
  CHECK(pace.next_batch(400) == 10);
  CHECK(pace.next_batch(100) == 10);
  CHECK(pace.next_batch(800) == 20);
  CHECK(pace.next_batch(5) == 20);
}

TEST_CASE("nobody left: nothing to close, and the next group begins anew") {
  Pace pace;
  CHECK(pace.next_batch(400) == 10);
  CHECK(pace.next_batch(0) == 0);
  CHECK(pace.next_batch(4) == 1);
}

}  // namespace
}  // namespace vipward
