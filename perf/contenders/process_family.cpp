#include "perf/contenders/process_family.h"

#include <time.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/process.h"

namespace vipward::perf {
namespace {

namespace fs = std::filesystem;

std::vector<pid_t> family_of(pid_t root) {
  std::vector<pid_t> all{root};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const pid_t child : test::children_of(all[i])) all.push_back(child);
  }
  return all;
}

fs::path folder_of(pid_t pid) {
  return "/proc/" + std::to_string(pid);
}

// Nothing may look small because it may not be seen; a process that has gone has nothing.
void refuse_if_hidden(const fs::path& path, int error) {
  if (error == EACCES || error == EPERM)
    throw std::system_error(error, std::generic_category(), path.string());
}

std::uint64_t pss_kib(pid_t pid) {
  const fs::path path = folder_of(pid) / "smaps_rollup";
  errno = 0;
  std::ifstream file(path);
  if (!file) refuse_if_hidden(path, errno);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss:")) return std::stoull(line.substr(4));
  }
  return 0;
}

std::size_t descriptors_of(pid_t pid) {
  const fs::path path = folder_of(pid) / "fd";
  std::error_code error;
  const fs::directory_iterator all(path, error);
  refuse_if_hidden(path, error.value());
  return error ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// clock_getcpuclockid(3): to the nanosecond.
std::chrono::nanoseconds cpu_time_of(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Footprint footprint_of(pid_t root) {
  Footprint sum;
  for (const pid_t process : family_of(root)) {
    ++sum.processes;
    sum.memory_kib += pss_kib(process);
    sum.descriptors += descriptors_of(process);
  }
  return sum;
}

std::chrono::nanoseconds family_cpu_time(pid_t root) {
  std::chrono::nanoseconds sum{};
  for (const pid_t process : family_of(root)) sum += cpu_time_of(process);
  return sum;
}

std::map<Poller, std::size_t> watched_descriptors(pid_t root) {
  std::map<Poller, std::size_t> watched;
  for (const pid_t process : family_of(root)) {
    std::error_code error;
    for (fs::directory_iterator fd(folder_of(process) / "fd", error), end; !error && fd != end;
         fd.increment(error)) {
      std::error_code gone;
      if (fs::read_symlink(fd->path(), gone) != "anon_inode:[eventpoll]") continue;
      const std::string number = fd->path().filename();
      watched[{.process = process, .descriptor = std::stoi(number)}] =
          count_watched(text_of(folder_of(process) / "fdinfo" / number));
    }
  }
  return watched;
}

std::size_t count_watched(std::string_view fdinfo) {
  std::size_t count = 0;
  std::istringstream lines{std::string(fdinfo)};
  for (std::string line; std::getline(lines, line);) count += line.starts_with("tfd:") ? 1 : 0;
  return count;
}

}  // namespace vipward::perf
