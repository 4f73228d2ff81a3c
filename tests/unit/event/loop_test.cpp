#include "lb/event/loop.h"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "lb/event/every_turn.h"
#include "lb/event/loop_lag.h"
#include "lb/event/random.h"
#include "lb/event/timer.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

TEST_CASE("posted tasks run in order, before a stop that was posted after them") {
  Loop loop;
  std::string order;
  loop.post([&] { order += 'a'; });
  loop.post([&] {
    order += 'b';
    loop.post([&] { order += 'd'; });
    loop.stop();
  });
  loop.post([&] { order += 'c'; });
  loop.run();
  CHECK(order == "abcd");
}

TEST_CASE("a task that never ran is destroyed with the loop, handles it owns included") {
  const auto witness = std::make_shared<int>(1);
  {
    Loop loop;
    auto timer = std::make_shared<Timer>(loop, [] {});
    loop.post([timer, witness] {});
  }
  CHECK(witness.use_count() == 1);
}

TEST_CASE("a timer may destroy itself in its callback") {
  Loop loop;
  std::optional<Timer> timer;
  int fired = 0;
  timer.emplace(loop, [&, payload = std::string(100, 'x')] {
    timer.reset();
    fired += static_cast<int>(payload.size());
    loop.stop();
  });
  timer->arm_after(0ms);
  loop.run();
  CHECK(fired == 100);
}

TEST_CASE("a timer armed for the past fires, a cancelled one does not, and one armed twice fires once") {
  Loop loop;
  std::string fired;
  Timer past(loop, [&] { fired += 'p'; });
  Timer cancelled(loop, [&] { fired += 'c'; });
  Timer last(loop, [&] { loop.stop(); });
  past.arm_after(0ms);
  past.arm_at(loop.now() - 1h);
  cancelled.arm_after(1ms);
  cancelled.cancel();
  last.arm_after(3ms);
  loop.run();
  CHECK(fired == "p");
}

TEST_CASE("a timer never fires before its deadline") {
  Loop loop;
  TimePoint deadline;
  TimePoint fired;
  Timer timer(loop, [&] {
    fired = loop.now();
    loop.stop();
  });
  deadline = loop.now() + 1500us;
  timer.arm_at(deadline);
  loop.run();
  CHECK(fired >= deadline);
}

TEST_CASE("a timer says when it is due: not before the deadline, and it fires then") {
  Loop loop;
  std::optional<EveryTurn> work;
  bool busy = false;
  SUBCASE("in a loop that sleeps") {}
  SUBCASE("in a loop that never sleeps, where it fires as soon as libuv's clock allows") {
    busy = true;
  }
  work.emplace(loop, [] {});
  if (busy) work->start();
  int fired = 0;
  int too_early = 0;
  int before_due = 0;
  int due_out_of_range = 0;
  TimePoint deadline;
  TimePoint due;
  const auto arm = [&](Timer& timer) {
    const Duration delay = (1 + fired % 4) * 700us;
    if (fired % 2 == 0) {
      deadline = loop.now() + delay;
      due = timer.arm_at(deadline);
    } else {
      deadline = loop.now() + delay;
      due = timer.arm_after(delay);
    }
    // Millisecond grain, and one more.
    if (due < deadline || due > loop.now() + delay + 2ms) ++due_out_of_range;
  };
  std::optional<Timer> timer;
  timer.emplace(loop, [&] {
    const TimePoint now = loop.now();
    if (now < deadline) ++too_early;
    // libuv's clock has whole milliseconds: so exact is "due".
    if (now < due - 1ms) ++before_due;
    if (++fired < 100) return arm(*timer);
    work->stop();
    loop.stop();
  });
  arm(*timer);
  loop.run();
  CHECK(fired == 100);
  CHECK(too_early == 0);
  CHECK(before_due == 0);
  CHECK(due_out_of_range == 0);
}

TEST_CASE("a timer armed for now or the past is due now") {
  Loop loop;
  Timer timer(loop, [] {});
  for (const Duration delay : {Duration(0ms), Duration(-1h)}) {
    const TimePoint before = loop.now();
    const TimePoint due_after = timer.arm_after(delay);
    const TimePoint due_at = timer.arm_at(before + delay);
    CHECK(due_after >= before);
    CHECK(due_at <= loop.now());
  }
}

TEST_CASE("periods end at whole milliseconds, the longer ones with shorter ones, and never now") {
  const Loop loop;
  for (int i = 0; i < 1000; ++i) {
    const TimePoint before = loop.now();
    const TimePoint ten = loop.next_tick(10ms);
    const TimePoint twenty = loop.next_tick(20ms);
    CHECK(ten > before);
    CHECK(ten <= loop.now() + 10ms);
    CHECK((twenty - ten) % 10ms == 0ms);
    CHECK(ten.time_since_epoch() % 1ms == 0ms);
  }
}

TEST_CASE("a loop with nothing to do lags little") {
  Loop loop;
  Histogram histogram(kLagBounds);
  std::optional<LoopLag> lag;
  lag.emplace(loop, histogram);
  Timer end(loop, [&] {
    lag.reset();
    loop.stop();
  });
  end.arm_after(1050ms);
  loop.run();
  const HistogramSnapshot seen = histogram.snapshot();
  CHECK(seen.total() >= 5);
  CHECK(seen.total() <= 10);
  // Half of the samples at least: the machine may be busy with others.
  std::uint64_t small = 0;
  for (std::size_t i = 0; i < seen.bucket_count; ++i) {
    if (seen.bounds[i] <= 0.005) small += seen.counts[i];
  }
  CHECK(2 * small >= seen.total());
}

TEST_CASE("work for every turn is called until it is stopped, and timers still get their turn") {
  Loop loop;
  int turns = 0;
  std::optional<EveryTurn> work;
  Timer timer(loop, [&] {
    work->stop();
    loop.stop();
  });
  work.emplace(loop, [&] { ++turns; });
  work->start();
  timer.arm_after(2ms);
  loop.run();
  CHECK(turns > 1);
}

TEST_CASE("the random source repeats itself for a seed and stays in its bounds") {
  Random a(7), b(7);
  bool seen_low = false;
  bool seen_high = false;
  for (int i = 0; i < 1000; ++i) {
    const std::uint32_t value = a.below(10);
    CHECK(value == b.below(10));
    CHECK(value < 10);
    seen_low = seen_low || value == 0;
    seen_high = seen_high || value == 9;
    const double fraction = a.fraction();
    CHECK(fraction == b.fraction());
    CHECK((fraction >= 0 && fraction < 1));
  }
  CHECK(seen_low);
  CHECK(seen_high);
  CHECK(a.below(1) == 0);
}

}  // namespace
}  // namespace vipward
