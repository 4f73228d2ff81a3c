// A callback once per turn of the loop, for work that used up its share of a turn. Loop thread only.
#pragma once

#include <functional>

#include "lb/event/handle.h"
#include "lb/event/loop.h"

namespace vipward {

class EveryTurn {
 public:
  // While running, `on_turn` is called once per turn of the loop, which then does not sleep.
  EveryTurn(Loop& loop, std::function<void()> on_turn);
  EveryTurn(const EveryTurn&) = delete;
  EveryTurn& operator=(const EveryTurn&) = delete;

  void start();
  void stop();

 private:
  std::function<void()> on_turn_;
  Handle<uv_idle_t> handle_;
};

}  // namespace vipward
