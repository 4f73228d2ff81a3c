// Writes whole lines to a descriptor whose reader may be slow, stopped or gone, without ever hanging for
// good. Owner: the log; `write` on its thread alone, `close_by` and `dropped` from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "lb/net/fd.h"

namespace vipward {

class FdWriter {
 public:
  // `fd` is not owned and keeps its flags: others share its description (the shell, the journal).
  explicit FdWriter(int fd);

  // Waits for the reader as long as it takes, or until the time given to close_by has come; then the line is
  // dropped and counted. A reader that is gone drops it at once; SIGPIPE is for the process to ignore.
  void write(std::string_view line);
  // From that time on nothing waits any more.
  void close_by(std::chrono::steady_clock::time_point deadline);
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  enum class Outcome : std::uint8_t { Progress, WouldBlock, Broken };
  Outcome write_some(std::string_view& rest);
  // False: the time is over.
  bool wait_writable();

  int fd_;
  Fd reopened_;  // a description of our own, non-blocking, where the kernel gives one
  bool is_socket_ = false;
  std::atomic<std::chrono::steady_clock::rep> deadline_;
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace vipward
