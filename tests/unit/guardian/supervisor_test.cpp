#include "lb/guardian/supervisor.h"

#include <doctest/doctest.h>

namespace vipward {
namespace {

using namespace std::chrono_literals;
using Standing = Supervisor::Standing;

constexpr TimePoint kStart{1000s};

// A supervisor whose proxy has served since kStart.
Supervisor serving() {
  Supervisor supervisor;
  supervisor.start(kStart);
  supervisor.on_ready(kStart);
  return supervisor;
}

TEST_CASE("nothing serves before the first proxy is ready") {
  Supervisor supervisor;
  CHECK(supervisor.standing(kStart) == Standing::NotServing);
  CHECK(supervisor.start(kStart).start);
  CHECK(supervisor.standing(kStart) == Standing::NotServing);
  CHECK_FALSE(supervisor.has_ever_served());
  supervisor.on_ready(kStart + 30ms);
  CHECK(supervisor.standing(kStart + 30ms) == Standing::Serving);
  CHECK(supervisor.has_ever_served());
}

TEST_CASE(
    "a proxy that dies after a long life is replaced at once, and still counts as serving for the grace") {
  Supervisor supervisor = serving();
  const TimePoint death = kStart + 1h;
  CHECK(supervisor.on_exited(death).start);
  CHECK(supervisor.restarts() == 1);
  CHECK_FALSE(supervisor.is_serving());
  CHECK(supervisor.standing(death) == Standing::Serving);
  CHECK(supervisor.next_deadline(death) == death + Supervisor::kGrace);
  CHECK(supervisor.standing(death + Supervisor::kGrace - 1ms) == Standing::Serving);
  CHECK(supervisor.standing(death + Supervisor::kGrace) == Standing::NotServing);
}

TEST_CASE("a replacement that is ready within the grace leaves nothing behind") {
  Supervisor supervisor = serving();
  const TimePoint death = kStart + 1h;
  supervisor.on_exited(death);
  supervisor.on_ready(death + 40ms);
  CHECK(supervisor.standing(death + 10s) == Standing::Serving);
}

TEST_CASE("the grace begins when the proxy turned unfit, not when its end was seen") {
  Supervisor supervisor = serving();
  const TimePoint stalled = kStart + 1h;
  const Supervisor::Step step = supervisor.on_unfit(stalled);
  CHECK(step.kill);
  CHECK_FALSE(step.start);
  CHECK(supervisor.on_exited(stalled + 100ms).start);
  CHECK(supervisor.standing(stalled + 249ms) == Standing::Serving);
  CHECK(supervisor.standing(stalled + 250ms) == Standing::NotServing);
}

TEST_CASE("a proxy is told to go only once, and its late signs of life change nothing") {
  Supervisor supervisor = serving();
  CHECK(supervisor.on_unfit(kStart + 1s).kill);
  CHECK_FALSE(supervisor.on_unfit(kStart + 1s).kill);
  supervisor.on_ready(kStart + 1s);
  CHECK_FALSE(supervisor.is_serving());
}

TEST_CASE("the third death within a minute is a crash loop, until the first of them is a minute old") {
  Supervisor supervisor = serving();
  TimePoint now = kStart;
  for (int death = 1; death <= 3; ++death) {
    CHECK(supervisor.standing(now) == Standing::Serving);
    now += 10s;
    CHECK(supervisor.on_exited(now).start);
    supervisor.on_ready(now);
  }
  CHECK(supervisor.standing(now) == Standing::CrashLoop);
  const TimePoint over = kStart + 10s + Supervisor::kDeathWindow;
  CHECK(supervisor.next_deadline(now) == over);
  CHECK(supervisor.standing(over - 1ms) == Standing::CrashLoop);
  supervisor.on_time(over);
  CHECK(supervisor.standing(over) == Standing::Serving);
  CHECK(supervisor.next_deadline(over) == std::nullopt);
}

TEST_CASE(
    "a proxy that hardly served makes the next start wait, twice as long each time, never longer than the "
    "grace allows") {
  Supervisor supervisor = serving();
  TimePoint now = kStart + 10ms;
  Duration expected = Supervisor::kFirstPause;
  for (int life = 0; life < 12; ++life) {
    CHECK_FALSE(supervisor.on_exited(now).start);
    CHECK_FALSE(supervisor.on_time(now + expected - 1ms).start);
    CHECK(supervisor.next_deadline(now).value() <= now + expected);
    now += expected;
    CHECK(supervisor.on_time(now).start);
    supervisor.on_ready(now);
    now += 10ms;
    expected = std::min<Duration>(expected * 2, Supervisor::kLongestPause);
  }
  CHECK(Supervisor::kLongestPause < Supervisor::kGrace);
  // Who has served is replaced at once, however short that was.
  now += Supervisor::kShortService;
  CHECK(supervisor.on_exited(now).start);
}

TEST_CASE("a proxy that dies before it is ready makes the next start wait, too") {
  Supervisor supervisor = serving();
  CHECK(supervisor.on_exited(kStart + 1h).start);
  CHECK_FALSE(supervisor.on_exited(kStart + 1h + 10s).start);
  CHECK(supervisor.next_deadline(kStart + 1h + 10s) == kStart + 1h + 10s + Supervisor::kFirstPause);
}

TEST_CASE("a proxy that is never ready is killed, and replaced after its end") {
  Supervisor supervisor;
  supervisor.start(kStart);
  CHECK(supervisor.next_deadline(kStart) == kStart + Supervisor::kStartLimit);
  CHECK_FALSE(supervisor.on_time(kStart + Supervisor::kStartLimit - 1ms).kill);
  CHECK(supervisor.on_time(kStart + Supervisor::kStartLimit).kill);
  CHECK_FALSE(supervisor.on_exited(kStart + Supervisor::kStartLimit).start);
  CHECK(supervisor.on_time(kStart + Supervisor::kStartLimit + Supervisor::kFirstPause).start);
}

TEST_CASE("after stop nothing is started any more") {
  Supervisor supervisor = serving();
  supervisor.stop();
  CHECK_FALSE(supervisor.on_exited(kStart + 10s).start);
  CHECK_FALSE(supervisor.on_time(kStart + 20s).start);
  CHECK(supervisor.next_deadline(kStart + 20s) == std::nullopt);
  CHECK(supervisor.restarts() == 0);
}

TEST_CASE(
    "while a prepared proxy takes over the host counts as serving for the grace, and then if it is ready") {
  Supervisor supervisor;
  supervisor.succeed(kStart, {.deaths = {}, .restarts = 4});
  CHECK(supervisor.has_ever_served());
  CHECK(supervisor.restarts() == 4);
  CHECK(supervisor.standing(kStart) == Standing::Serving);
  // A longer one, as long as the predecessor holds sessions that a release would reset.
  CHECK(supervisor.standing(kStart + Supervisor::kGrace) == Standing::Serving);
  CHECK(supervisor.next_deadline(kStart + Supervisor::kGrace) == kStart + Supervisor::kHandoverGrace);
  CHECK(supervisor.standing(kStart + Supervisor::kHandoverGrace) == Standing::NotServing);
  supervisor.on_predecessor_ended();
  CHECK(supervisor.standing(kStart + Supervisor::kGrace - 1ms) == Standing::Serving);
  CHECK(supervisor.standing(kStart + Supervisor::kGrace) == Standing::NotServing);
  supervisor.on_ready(kStart + 20ms);
  CHECK(supervisor.standing(kStart + 1h) == Standing::Serving);
}

TEST_CASE("deaths of the last minute count across a succession") {
  Supervisor before = serving();
  before.on_exited(kStart + 1s);
  before.on_ready(kStart + 2s);
  before.on_exited(kStart + 3s);
  before.on_ready(kStart + 4s);
  Supervisor after;
  after.succeed(kStart + 5s, before.memory());
  after.on_ready(kStart + 5s);
  CHECK(after.standing(kStart + 6s) == Standing::Serving);
  after.on_exited(kStart + 7s);
  CHECK(after.standing(kStart + 7s) == Standing::CrashLoop);
}

TEST_CASE("a successor that dies while it takes over is followed by the next one") {
  Supervisor supervisor;
  supervisor.succeed(kStart, {});
  CHECK_FALSE(supervisor.on_exited(kStart + 10ms).start);  // it has never served: after a pause
  CHECK(supervisor.on_time(kStart + 10ms + Supervisor::kFirstPause).start);
}

}  // namespace
}  // namespace vipward
