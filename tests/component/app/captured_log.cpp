#include "tests/component/app/captured_log.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>

#include "tests/support/wait.h"

namespace vipward::test {

CapturedLog::CapturedLog(LogLevel level)
    : file_(memfd_create("log", MFD_CLOEXEC)),
      log_({.level = level, .fd = file_.get(), .queue_lines = 65536}) {}

std::string CapturedLog::text() const {
  std::string text;
  std::array<char, 64 * 1024> buffer{};
  for (;;) {
    const ssize_t size = pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (size <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

std::size_t CapturedLog::count(std::string_view part) const {
  const std::string all = text();
  std::size_t lines = 0;
  for (std::size_t at = all.find(part); at != std::string::npos; at = all.find(part, all.find('\n', at))) {
    ++lines;
  }
  return lines;
}

bool CapturedLog::wait_for(std::string_view part, std::size_t lines) const {
  return wait_until([&] { return count(part) >= lines; }, std::chrono::seconds{20});
}

}  // namespace vipward::test
