// A log in memory, with its lines within reach of a test. Any thread may write; the questions are one
// thread's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "lb/log/log.h"
#include "lb/net/fd.h"

namespace vipward::test {

class CapturedLog {
 public:
  explicit CapturedLog(LogLevel level = LogLevel::Info);

  Log& log() { return log_; }
  // For another log that writes to it too.
  int fd() const { return file_.get(); }
  std::string text() const;
  // Lines so far that hold `part`.
  std::size_t count(std::string_view part) const;
  // Waits until there are `lines` of them: the log writes on a thread of its own.
  bool wait_for(std::string_view part, std::size_t lines = 1) const;

 private:
  Fd file_;
  Log log_;
};

}  // namespace vipward::test
