#include "lb/vip/announce_plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace vipward {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart = TimePoint{} + 1h;

std::vector<IpAddress> addresses(int count) {
  std::vector<IpAddress> result;
  for (int i = 1; i <= count; ++i) result.push_back(IpAddress::parse("10.0.0." + std::to_string(i)).value());
  return result;
}

std::vector<IpAddress> addresses_v6(int count) {
  std::vector<IpAddress> result;
  for (int i = 1; i <= count; ++i) result.push_back(IpAddress::parse("fd00::" + std::to_string(i)).value());
  return result;
}

std::vector<IpAddress> mixed(int count) {
  std::vector<IpAddress> result;
  for (int i = 0; i < count; ++i) {
    result.push_back(addresses(count)[static_cast<std::size_t>(i)]);
    result.push_back(addresses_v6(count)[static_cast<std::size_t>(i)]);
  }
  return result;
}

// A frame and when it went out, in milliseconds after kStart.
struct Sent {
  std::int64_t at_ms;
  Announcement announcement;
};

// Calls the plan at each of its deadlines until `until`, as its owner's timer does.
std::vector<Sent> run(AnnouncePlan& plan, TimePoint until) {
  std::vector<Sent> sent;
  for (auto at = plan.next_deadline(); at && *at <= until; at = plan.next_deadline()) {
    for (const Announcement& announcement : plan.take_due(*at)) {
      sent.push_back(
          {std::chrono::duration_cast<std::chrono::milliseconds>(*at - kStart).count(), announcement});
    }
    REQUIRE(plan.next_deadline().value() > *at);
  }
  return sent;
}

std::vector<std::int64_t> times(const std::vector<Sent>& sent, AnnouncementKind kind) {
  std::vector<std::int64_t> result;
  for (const Sent& one : sent) {
    if (one.announcement.kind == kind) result.push_back(one.at_ms);
  }
  return result;
}

TEST_CASE("rounds go out at 0, 10, 100 and 1000 ms, then every refresh, in both forms") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(1));
  const auto sent = run(plan, kStart + 65s);
  const std::vector<std::int64_t> expected{0, 10, 100, 1000, 31000, 61000};
  CHECK(times(sent, AnnouncementKind::GarpRequest) == expected);
  CHECK(times(sent, AnnouncementKind::GarpReply) == expected);
}

TEST_CASE("without a refresh the rounds end after one second") {
  AnnouncePlan plan(0s);
  plan.start(kStart, addresses(1));
  CHECK(times(run(plan, kStart + 100s), AnnouncementKind::GarpReply) ==
        std::vector<std::int64_t>{0, 10, 100, 1000});
}

TEST_CASE("a round tells every address, the request first") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(2));
  const auto both = addresses(2);
  CHECK(plan.take_due(kStart) ==
        std::vector<Announcement>{{.kind = AnnouncementKind::GarpRequest, .address = both[0]},
                                  {.kind = AnnouncementKind::GarpReply, .address = both[0]},
                                  {.kind = AnnouncementKind::GarpRequest, .address = both[1]},
                                  {.kind = AnnouncementKind::GarpReply, .address = both[1]}});
  CHECK(plan.take_due(kStart).empty());
}

TEST_CASE("of a mixed list an IPv4 address has both forms in a round and an IPv6 address one frame") {
  AnnouncePlan plan(30s);
  const auto list = mixed(2);
  plan.start(kStart, list);
  CHECK(plan.take_due(kStart) ==
        std::vector<Announcement>{{.kind = AnnouncementKind::GarpRequest, .address = list[0]},
                                  {.kind = AnnouncementKind::GarpReply, .address = list[0]},
                                  {.kind = AnnouncementKind::UnsolicitedNa, .address = list[1]},
                                  {.kind = AnnouncementKind::GarpRequest, .address = list[2]},
                                  {.kind = AnnouncementKind::GarpReply, .address = list[2]},
                                  {.kind = AnnouncementKind::UnsolicitedNa, .address = list[3]}});
  CHECK(plan.take_due(kStart).empty());
  const auto sent = run(plan, kStart + 31s);
  const std::vector<std::int64_t> later{10, 10, 100, 100, 1000, 1000, 31000, 31000};
  for (const auto kind :
       {AnnouncementKind::GarpRequest, AnnouncementKind::GarpReply, AnnouncementKind::UnsolicitedNa}) {
    CHECK(times(sent, kind) == later);
  }
}

TEST_CASE("addresses of either family are asked for every second") {
  AnnouncePlan plan(30s);
  plan.start(kStart, mixed(1));
  plan.take_due(kStart);
  std::vector<IpAddress> asked;
  for (const Sent& one : run(plan, kStart + 1s)) {
    if (one.announcement.kind == AnnouncementKind::Probe) asked.push_back(one.announcement.address);
  }
  CHECK(asked == mixed(1));
}

TEST_CASE("IPv6 addresses alone are paced by their one frame each") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses_v6(33));
  CHECK(plan.take_due(kStart).size() == 32);
  CHECK(plan.memory().in_round);
  CHECK(plan.next_deadline() == kStart + 5ms);
  CHECK(plan.take_due(kStart + 5ms).size() == 1);
  CHECK_FALSE(plan.memory().in_round);
  CHECK(plan.next_deadline() == kStart + 10ms);
}

TEST_CASE("a memory of one list goes on with another one, of other families") {
  AnnouncePlan plain(30s);
  plain.start(kStart, addresses(40));
  plain.take_due(kStart);
  AnnouncePlan other(30s);
  other.go_on(plain.memory(), mixed(1));
  CHECK(other.take_due(kStart + 1ms).size() == 3);
  CHECK_FALSE(other.memory().in_round);
}

TEST_CASE("a probe for each address goes out every second while active") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(2));
  CHECK(times(run(plan, kStart + 3500ms), AnnouncementKind::Probe) ==
        std::vector<std::int64_t>{1000, 1000, 2000, 2000, 3000, 3000});
}

TEST_CASE("nothing is due before start, nor after stop") {
  AnnouncePlan plan(30s);
  CHECK_FALSE(plan.next_deadline().has_value());
  plan.restart(kStart);
  CHECK(plan.take_due(kStart).empty());
  plan.start(kStart, addresses(100));
  CHECK(plan.take_due(kStart).size() == 32);
  plan.stop();
  CHECK_FALSE(plan.is_running());
  CHECK_FALSE(plan.next_deadline().has_value());
  CHECK(plan.take_due(kStart + 1h).empty());
}

TEST_CASE("many addresses are paced: never more than 32 frames in one burst, none left out") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(100));
  const auto sent = run(plan, kStart + 9ms);
  CHECK(times(sent, AnnouncementKind::GarpRequest).size() == 32);
  const auto more = run(plan, kStart + 35ms);
  const auto first_round = sent.size() + more.size();
  CHECK(first_round >= 200);
  // The round of 10 ms waited for the first one to end, and is a whole one.
  const auto rest = run(plan, kStart + 90ms);
  CHECK(first_round + rest.size() == 400);
}

TEST_CASE("a late caller sends what it missed once") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(1));
  CHECK(plan.take_due(kStart + 500ms).size() == 2);
  CHECK(plan.next_deadline() == kStart + 1s);
  CHECK(plan.take_due(kStart + 100s).size() == 3);  // both forms and a probe
  CHECK(plan.next_deadline() == kStart + 101s);
}

TEST_CASE("a restart begins the rounds over") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(1));
  run(plan, kStart + 5s);
  plan.restart(kStart + 5s);
  CHECK(times(run(plan, kStart + 7s), AnnouncementKind::GarpRequest) ==
        std::vector<std::int64_t>{5000, 5010, 5100, 6000});
}

TEST_CASE("restarts of one moment are one, and it does not follow a round closer than 10 ms") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(1));
  CHECK(plan.take_due(kStart).size() == 2);
  for (int i = 0; i < 30; ++i) plan.restart(kStart + 2ms);
  CHECK(plan.take_due(kStart + 2ms).empty());
  CHECK(times(run(plan, kStart + 500ms), AnnouncementKind::GarpRequest) ==
        std::vector<std::int64_t>{10, 20, 110});
}

TEST_CASE("a storm of episodes slows down to a round a second, and is over once it was calm") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(1));
  std::vector<Sent> sent;
  for (auto now = kStart; now < kStart + 10s; now += 1ms) {
    plan.restart(now);
    for (const Sent& one : run(plan, now)) sent.push_back(one);
  }
  const auto storm = times(sent, AnnouncementKind::GarpRequest);
  CHECK(storm.size() <= 18);
  CHECK(std::count_if(storm.begin(), storm.end(), [](std::int64_t at) { return at < 100; }) <= 4);
  // The end of the last episode is told, four times.
  const auto after = times(run(plan, kStart + 13s), AnnouncementKind::GarpRequest);
  CHECK(after.size() == 4);
  plan.restart(kStart + 20s);
  CHECK(times(run(plan, kStart + 20s), AnnouncementKind::GarpRequest) == std::vector<std::int64_t>{20000});
}

TEST_CASE("a holder that answers every probe is answered at once, every time") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses_v6(1));
  run(plan, kStart + 1500ms);
  std::int64_t early_or_late = 5;
  for (std::int64_t at = 2000; at < 30000; at += 1000) {
    early_or_late = -early_or_late;
    const TimePoint answer = kStart + std::chrono::milliseconds(at + early_or_late);
    run(plan, answer);
    plan.restart(answer);
    CAPTURE(at);
    CHECK(plan.next_deadline().value() <= answer);
    CHECK(times(run(plan, answer + 200ms), AnnouncementKind::UnsolicitedNa).size() == 3);
  }
}

TEST_CASE("who takes the addresses again right after losing them does not wait a second") {
  AnnouncePlan plan(30s);
  plan.start(kStart, addresses(1));
  plan.take_due(kStart);
  plan.stop();
  plan.start(kStart + 3ms, addresses(1));
  CHECK(plan.next_deadline() == kStart + 10ms);
  CHECK(plan.take_due(kStart + 10ms).size() == 2);
}

TEST_CASE("a plan made from a memory goes on as the other one would have, whenever it was taken") {
  for (int step = 0; step < 60; ++step) {
    CAPTURE(step);
    AnnouncePlan plain(30s);
    plain.start(kStart, addresses(3));
    run(plain, kStart + 20ms * step);
    // In the middle of a sequence that has begun over.
    if (step % 3 == 0) plain.restart(kStart + 20ms * step);
    AnnouncePlan other(30s);
    other.go_on(plain.memory(), addresses(3));
    CHECK(other.memory() == plain.memory());
    const TimePoint end = kStart + 70s;
    CHECK(times(run(other, end), AnnouncementKind::GarpRequest) ==
          times(run(plain, end), AnnouncementKind::GarpRequest));
    CHECK(other.memory() == plain.memory());
  }
}

TEST_CASE(
    "a round that is under way when the memory is taken is told whole, of the addresses there are now") {
  AnnouncePlan plain(30s);
  plain.start(kStart, addresses(40));
  CHECK(plain.take_due(kStart).size() == kFramesPerBurst);
  CHECK(plain.memory().in_round);
  AnnouncePlan other(30s);
  other.go_on(plain.memory(), addresses(2));
  const auto rest = other.take_due(kStart + 1ms);
  CHECK(rest.size() == 4);
  CHECK_FALSE(other.memory().in_round);
}

TEST_CASE("a stopped plan is one for another, and its start keeps the distance to the last round") {
  AnnouncePlan plain(30s);
  plain.start(kStart, addresses(1));
  plain.take_due(kStart);
  plain.stop();
  AnnouncePlan other(30s);
  other.go_on(plain.memory(), addresses(1));
  CHECK(other.next_deadline() == std::nullopt);
  other.start(kStart + 1ms, addresses(1));
  CHECK(other.next_deadline() == kStart + kShortestRoundGap);
}

TEST_CASE("another refresh holds from the last round on") {
  AnnouncePlan plain(30s);
  plain.start(kStart, addresses(1));
  run(plain, kStart + 2s);
  AnnouncePlan other(5s);
  other.go_on(plain.memory(), addresses(1));
  CHECK(times(run(other, kStart + 7s), AnnouncementKind::GarpRequest) == std::vector<std::int64_t>{6000});
}

}  // namespace
}  // namespace vipward
