// A signal delivered as a callback of a loop. Loop thread only.
#pragma once

#include <functional>

#include "lb/event/handle.h"
#include "lb/event/loop.h"

namespace vipward {

class SignalWatch {
 public:
  SignalWatch(Loop& loop, int signal_number, std::function<void()> on_signal);
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  std::function<void()> on_signal_;
  Handle<uv_signal_t> handle_;
};

}  // namespace vipward
