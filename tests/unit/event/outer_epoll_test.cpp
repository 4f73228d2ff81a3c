// A loop inside of another epoll: all that libuv does is done in time, and the other one's events come
// between.
#include <doctest/doctest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lb/event/every_turn.h"
#include "lb/event/loop.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/net/fd.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

class OuterEpoll {
 public:
  explicit OuterEpoll(Loop& loop) : loop_(loop) {
    loop.set_outer({.add = [this](int libuv) { add(libuv, nullptr); },
                    .turn = [this](int timeout) { return turn(timeout); }});
  }
  ~OuterEpoll() { loop_.set_outer({}); }

  // `on_ready` outlives it.
  void add(int fd, std::function<void()>* on_ready) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = on_ready;
    REQUIRE(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  }
  int turns() const { return static_cast<int>(timeouts_ms_.size()); }
  // Of the first turn.
  int first_timeout_ms() const { return timeouts_ms_.at(0); }

 private:
  bool turn(int timeout_ms) {
    timeouts_ms_.push_back(timeout_ms);
    std::array<epoll_event, 8> events{};
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), timeout_ms);
    bool is_libuvs = false;
    for (int i = 0; i < count; ++i) {
      auto* on_ready = static_cast<std::function<void()>*>(events.at(static_cast<std::size_t>(i)).data.ptr);
      if (on_ready == nullptr) {
        is_libuvs = true;
      } else {
        (*on_ready)();
      }
    }
    return is_libuvs;
  }

  Loop& loop_;
  Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::vector<int> timeouts_ms_;
};

Fd make_eventfd() {
  return Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}
void signal(const Fd& fd) {
  eventfd_write(fd.get(), 1);
}
void take(const Fd& fd) {
  eventfd_t value{};
  eventfd_read(fd.get(), &value);
}

TEST_CASE("inside another epoll a loop that was stopped can run once more") {
  Loop loop;
  const OuterEpoll outer(loop);
  int runs = 0;
  for (int i = 1; i <= 3; ++i) {
    loop.post([&] { ++runs; });
    loop.stop();
    loop.run();
    CHECK(runs == i);
  }
}

TEST_CASE("inside another epoll a timer fires in time, not before, and nobody spins until then") {
  Loop loop;
  const OuterEpoll outer(loop);
  std::optional<TimePoint> fired;
  Timer timer(loop, [&] {
    fired = loop.now();
    loop.stop();
  });
  const TimePoint due = loop.now() + 50ms;
  timer.arm_at(due);
  loop.run();
  REQUIRE(fired);
  CHECK(*fired >= due);
  CHECK(*fired < due + 5s);
  CHECK(outer.turns() < 20);
}

TEST_CASE("inside another epoll what a task has taken is not waited for once more") {
  Loop loop;
  const OuterEpoll outer(loop);
  Timer timer(loop, [&] { loop.stop(); });
  loop.post([&] { std::this_thread::sleep_for(60ms); });
  timer.arm_after(100ms);
  loop.run();
  CHECK(outer.first_timeout_ms() <= 41);
}

TEST_CASE("inside another epoll a task from another thread wakes it up") {
  Loop loop;
  const OuterEpoll outer(loop);
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    loop.stop();
  });
  loop.run();
  other.join();
  CHECK(outer.turns() < 20);
}

TEST_CASE("what an event of the other epoll changes in libuv is done in the same turn") {
  Loop loop;
  OuterEpoll outer(loop);
  const Fd outside = make_eventfd();
  const Fd inside = make_eventfd();
  std::string order;
  const auto add = [&](char what) {
    order += what;
    if (order.size() == 3) loop.stop();
  };
  Timer soon(loop, [&] { add('t'); });
  Poll poll(loop, inside.get(), [&](Poll::Ready) {
    take(inside);
    add('p');
  });
  // A timer that is due, and a descriptor that libuv has not told the kernel of.
  std::function<void()> on_outside = [&] {
    take(outside);
    add('o');
    soon.arm_after(0ms);
    poll.watch({.read = true});
    signal(inside);
  };
  // Far off, in case nothing else wakes the loop up.
  Timer give_up(loop, [&] { loop.stop(); });
  give_up.arm_after(5s);
  outer.add(outside.get(), &on_outside);
  signal(outside);
  loop.run();
  CHECK(order == "otp");
  CHECK(outer.turns() <= 4);
}

TEST_CASE("inside another epoll work for every turn does not sleep, and events come between") {
  Loop loop;
  OuterEpoll outer(loop);
  const Fd outside = make_eventfd();
  int turns = 0;
  int events = 0;
  EveryTurn work(loop, [&] {
    ++turns;
    if (events == 3) loop.stop();
  });
  std::function<void()> on_outside = [&] { ++events; };  // never taken: ready in every turn
  outer.add(outside.get(), &on_outside);
  signal(outside);
  work.start();
  loop.run();
  work.stop();
  CHECK(events >= 3);
  CHECK(turns >= 3);
  CHECK(turns <= events + 2);
}

}  // namespace
}  // namespace vipward
