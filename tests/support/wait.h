// Waiting for a condition with a limit, never for a guessed time. Any thread.
#pragma once

#include <chrono>
#include <thread>

namespace vipward::test {

// Asks `condition` every `pause` until it holds; false when `limit` has passed without. It is asked at least
// once, and once more at the end.
template <class Condition>
bool wait_until(Condition&& condition, std::chrono::milliseconds limit,
                std::chrono::milliseconds pause = std::chrono::milliseconds{10}) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return condition();
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace vipward::test
