#include "lb/guardian/stall_judge.h"

#include <doctest/doctest.h>

namespace vipward {
namespace {

using namespace std::chrono_literals;
using Use = StallJudge::ThreadUse;
using Slot = StallJudge::Slot;

constexpr TimePoint kStart{1000s};

// A judge that looks every 50 ms at one slot stamped at kStart and never again, until it finds a stall or
// `limit` is over. Returns when it found one.
template <class UseAt>
std::optional<Duration> stall_of(Duration limit, UseAt use_at, Duration step = StallJudge::kEvery) {
  StallJudge judge;
  judge.reset(kStart);
  for (TimePoint now = kStart; now <= kStart + limit; now += step) {
    if (judge.observe(now, {Slot{.stamped_at = kStart, .use = use_at(now - kStart)}})) return now - kStart;
  }
  return std::nullopt;
}

TEST_CASE("a stopped or sleeping thread has stalled once its stamp is older than the limit") {
  CHECK(stall_of(2s, [](Duration) { return Use{.runnable = false, .processor_time = 1s}; }) == 500ms);
}

TEST_CASE("a thread that does not exist has stalled as well") {
  CHECK(stall_of(2s, [](Duration) { return std::optional<Use>(); }) == 500ms);
}

TEST_CASE("a thread that spins has stalled") {
  CHECK(stall_of(2s, [](Duration passed) { return Use{.runnable = true, .processor_time = passed}; }) ==
        500ms);
}

TEST_CASE("a thread that wants a core and gets a tenth of one waits: no stall") {
  CHECK(stall_of(5s, [](Duration passed) { return Use{.runnable = true, .processor_time = passed / 10}; }) ==
        std::nullopt);
}

TEST_CASE("fresh stamps are no stall, whatever the thread does") {
  StallJudge judge;
  judge.reset(kStart);
  for (TimePoint now = kStart; now < kStart + 3s; now += StallJudge::kEvery) {
    CHECK_FALSE(judge.observe(now, {Slot{.stamped_at = now - 100ms, .use = std::nullopt}}));
  }
}

TEST_CASE("after a pause of our own the ages start over") {
  StallJudge judge;
  judge.reset(kStart);
  const std::vector<Slot> old{Slot{.stamped_at = kStart, .use = std::nullopt}};
  CHECK_FALSE(judge.observe(kStart + 50ms, old));
  const TimePoint back = kStart + 3s;
  CHECK_FALSE(judge.observe(back, old));
  CHECK_FALSE(judge.is_suspicious(kStart, back));
  TimePoint now = back;
  while (now < back + 450ms) CHECK_FALSE(judge.observe(now += StallJudge::kEvery, old));
  CHECK(judge.observe(back + 500ms, old) == 0u);
}

TEST_CASE("a stamp from the future counts as one of now, not as a licence for ever") {
  StallJudge judge;
  judge.reset(kStart);
  const std::vector<Slot> liar{Slot{.stamped_at = kStart + 1s, .use = std::nullopt}};
  std::optional<Duration> found;
  for (TimePoint now = kStart; now < kStart + 3s && !found; now += StallJudge::kEvery) {
    if (judge.observe(now, liar)) found = now - kStart;
  }
  CHECK(found == 1500ms);
}

TEST_CASE("the slot that stalled is named, the others do not hide it") {
  StallJudge judge;
  judge.reset(kStart);
  std::optional<std::size_t> stalled;
  for (TimePoint now = kStart; now <= kStart + 500ms && !stalled; now += StallJudge::kEvery) {
    stalled = judge.observe(now, {Slot{.stamped_at = now, .use = {}}, Slot{.stamped_at = now, .use = {}},
                                  Slot{.stamped_at = kStart, .use = {}}});
  }
  CHECK(stalled == 2u);
}

}  // namespace
}  // namespace vipward
