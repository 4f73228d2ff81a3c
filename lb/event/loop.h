// One libuv loop with its clock and its mailbox. Owner: the thread that runs it; every method but `post` and
// `stop` belongs to that thread. Handles must be gone before the loop: its destructor aborts and prints what
// is left.
#pragma once

#include <functional>
#include <memory>

#include "lb/event/time.h"

struct uv_loop_s;

namespace vipward {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop().
  void run();
  // An epoll descriptor with many events of its own, whose owner does the waiting: libuv's descriptor is one
  // among those in it. The other way round each turn would cost two system calls, to hear that something has
  // come and what.
  struct Outer {
    // Adds libuv's descriptor (uv_backend_fd(3)), level-triggered.
    std::function<void(int libuv)> add;
    // Waits so many milliseconds at most (-1: for ever) and serves what has come; whether something
    // may be libuv's.
    std::function<bool(int timeout_ms)> turn;
  };
  // Before run(), by one who takes it back with an empty one before it goes.
  void set_outer(Outer outer);
  // Makes run() return after what was posted before. Any thread; before run() too.
  void stop();
  // The door between threads: `task` runs on the loop's thread, in order. Any thread, never blocks for long.
  // Tasks posted after the last run() are destroyed unrun.
  void post(std::function<void()> task);

  TimePoint now() const { return Clock::now(); }
  // When a period ends next, counted from when the loop was made, in whole milliseconds: what the loop does
  // every so often, asking for this, it does in the same wake-up, and an idle process does little else than
  // wake up.
  TimePoint next_tick(Duration period) const;
  uv_loop_s* raw();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vipward
