#include "tests/system/guarded.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/wait.h"

namespace vipward::test {

using namespace std::chrono_literals;

unsigned generation_of(const Daemon& vipward) {
  const HttpResponse response = vipward.admin("/metrics");
  if (!response.is_ok()) return 0;
  return static_cast<unsigned>(MetricsText(response.body).value("vipward_generation").value_or(0));
}

bool wait_for_generation(const Daemon& vipward, unsigned generation, std::chrono::milliseconds limit) {
  return wait_until([&] { return generation_of(vipward) == generation; }, limit);
}

std::vector<OpenDescriptor> descriptors_of(pid_t pid) {
  std::vector<OpenDescriptor> result;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ignored)) {
    result.push_back({.number = std::stoi(entry.path().filename()),
                      .target = std::filesystem::read_symlink(entry.path(), ignored)});
  }
  std::ranges::sort(result, {}, &OpenDescriptor::number);
  return result;
}

bool wait_for_descriptors(pid_t pid, std::size_t count) {
  return wait_until([&] { return descriptors_of(pid).size() == count; }, 5s);
}

Fd descriptor_from(pid_t pid, int number) {
  const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  Fd taken(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  REQUIRE(taken);
  return taken;
}

Fd descriptor_from(pid_t pid, const std::string& target) {
  const std::vector<OpenDescriptor> all = descriptors_of(pid);
  REQUIRE(std::ranges::count(all, target, &OpenDescriptor::target) == 1);
  return descriptor_from(pid, std::ranges::find(all, target, &OpenDescriptor::target)->number);
}

}  // namespace vipward::test
