#include "lb/event/loop.h"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

#include "lb/event/every_turn.h"
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
