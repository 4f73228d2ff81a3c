#include "tests/system/crash_loop.h"

#include <signal.h>

#include <thread>

namespace vipward::test {

void CrashLoop::run_for(std::chrono::milliseconds length) {
  constexpr std::chrono::milliseconds kPause{10};
  const auto end = Clock::now() + length;
  // Those that run already crash first, all at once.
  for (EdgeHost* host : hosts_) {
    for (const pid_t pid : host->proxy_pids()) first_seen_[pid] = Clock::now() - life_;
  }
  for (auto now = Clock::now(); now < end; now = Clock::now()) {
    look(now);
    std::this_thread::sleep_for(kPause);
  }
}

void CrashLoop::look(Clock::time_point now) {
  for (EdgeHost* host : hosts_) {
    for (const pid_t pid : host->proxy_pids()) {
      const auto seen = first_seen_.try_emplace(pid, now).first->second;
      if (now < seen + life_) continue;
      ::kill(pid, SIGKILL);
      // Not twice, should it take a moment to go.
      first_seen_[pid] = now;
      ++kills_;
    }
  }
}

}  // namespace vipward::test
