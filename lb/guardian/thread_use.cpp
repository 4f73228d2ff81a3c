#include "lb/guardian/thread_use.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "lb/net/fd.h"

namespace vipward {
namespace {

// The first bytes of a file of /proc; empty if there is none.
std::string read_start(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text;
  const ssize_t size = fd ? read(fd.get(), text.data(), text.size()) : -1;
  return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

std::optional<StallJudge::ThreadUse> read_thread_use(pid_t process, pid_t thread) {
  const std::string folder = "/proc/" + std::to_string(process) + "/task/" + std::to_string(thread);
  // "PID (NAME) STATE ...": the name may hold anything.
  const std::string stat = read_start(folder + "/stat");
  const auto name_end = stat.rfind(") ");
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) return std::nullopt;
  // "TIME_ON_CPU TIME_WAITING SLICES", in nanoseconds.
  const std::string schedstat = read_start(folder + "/schedstat");
  std::int64_t on_processor = 0;
  std::from_chars(schedstat.data(), schedstat.data() + schedstat.size(), on_processor);
  return StallJudge::ThreadUse{.runnable = stat[name_end + 2] == 'R',
                               .processor_time = std::chrono::nanoseconds(on_processor)};
}

}  // namespace vipward
