#include "lb/event/loop.h"

#include <mutex>
#include <vector>

#include "lb/event/handle.h"

namespace vipward {

struct Loop::State {
  uv_loop_t loop{};
  Handle<uv_async_t> wake_up;
  std::mutex mutex;
  std::vector<std::function<void()>> mailbox;  // guarded by mutex
  Outer outer;
  TimePoint made_at = std::chrono::floor<std::chrono::milliseconds>(Clock::now());
  bool stopped = false;

  // uv_async_send coalesces: one wake-up may stand for many tasks.
  void drain_mailbox() {
    std::vector<std::function<void()>> tasks;
    {
      const std::lock_guard lock(mutex);
      tasks.swap(mailbox);
    }
    for (auto& task : tasks) task();
  }
};

Loop::Loop() : state_(std::make_unique<State>()) {
  require_uv(uv_loop_init(&state_->loop), "uv_loop_init");
  state_->loop.data = state_.get();
  state_->wake_up.reset(new uv_async_t);
  require_uv(
      uv_async_init(&state_->loop, state_->wake_up.get(),
                    [](uv_async_t* async) { static_cast<State*>(async->loop->data)->drain_mailbox(); }),
      "uv_async_init");
}

Loop::~Loop() {
  {
    // What tasks own may hold handles of this loop: they go while it can still close them.
    std::vector<std::function<void()>> unrun;
    const std::lock_guard lock(state_->mutex);
    unrun.swap(state_->mailbox);
  }
  state_->wake_up.reset();
  // Close callbacks run at the end of an iteration; one is enough, the second covers closes made inside it.
  uv_run(&state_->loop, UV_RUN_NOWAIT);
  uv_run(&state_->loop, UV_RUN_NOWAIT);
  if (uv_loop_close(&state_->loop) == UV_EBUSY) {
    std::fputs("loop destroyed with live handles:\n", stderr);
    uv_print_all_handles(&state_->loop, stderr);
    std::abort();
  }
}

TimePoint Loop::next_tick(Duration period) const {
  return state_->made_at + ((now() - state_->made_at) / period + 1) * period;
}

void Loop::set_outer(Outer outer) {
  if (outer.add) outer.add(uv_backend_fd(&state_->loop));
  state_->outer = std::move(outer);
}

void Loop::run() {
  state_->stopped = false;
  if (!state_->outer.turn) {
    uv_run(&state_->loop, UV_RUN_DEFAULT);
    return;
  }
  // uv_backend_timeout() is zero whenever there is something to do that no descriptor tells: timers that are
  // due, idle handles, handles that close, changes of interest that libuv has not told the kernel yet.
  bool is_called = true;
  for (;;) {
    uv_update_time(&state_->loop);
    if (is_called || uv_backend_timeout(&state_->loop) == 0) {
      uv_run(&state_->loop, UV_RUN_NOWAIT);
      uv_update_time(&state_->loop);  // what it ran took time, which the timeout must know
    }
    if (state_->stopped) return;
    is_called = state_->outer.turn(uv_backend_timeout(&state_->loop));
  }
}

void Loop::stop() {
  post([this] {
    state_->stopped = true;
    uv_stop(&state_->loop);
  });
}

void Loop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->mailbox.push_back(std::move(task));
  }
  uv_async_send(state_->wake_up.get());
}

uv_loop_s* Loop::raw() {
  return &state_->loop;
}

}  // namespace vipward
