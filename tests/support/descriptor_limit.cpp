#include "tests/support/descriptor_limit.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <set>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include "tests/support/process.h"

namespace vipward::test {
namespace {

constexpr id_t kNobody = 65534;
constexpr rlim_t kEnough = 4096;  // of a child that is to be short of them later
constexpr unsigned kLimitSeconds = 60;

// In a child between fork and its end. Supplementary groups do not matter to prlimit(2).
bool become(id_t user, id_t group) {
  return geteuid() != 0 || (setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0);
}

// Opens nothing: what is short of descriptors can do it.
bool set_soft_limit(pid_t pid, rlim_t soft) {
  rlimit limit{};
  if (prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) != 0) return false;
  limit.rlim_cur = std::min(soft, limit.rlim_max);
  return prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0;
}

// "65534 65534 65534 65534", the real one first.
id_t real_id(pid_t pid, std::string_view field) {
  id_t id = 0;
  std::istringstream(process_status(pid, field)) >> id;
  return id;
}

}  // namespace

rlim_t limit_with_room(pid_t pid, std::size_t room) {
  std::set<rlim_t> open;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", ignored))
    open.insert(std::stoul(entry.path().filename()));
  rlim_t limit = 0;
  for (std::size_t found = 0; found < room; ++limit) found += open.contains(limit) ? 0 : 1;
  return limit;
}

bool set_descriptor_limit(rlim_t soft) {
  return set_soft_limit(getpid(), soft);
}

bool set_descriptor_limit(pid_t pid, rlim_t soft) {
  const id_t user = real_id(pid, "Uid");
  const id_t group = real_id(pid, "Gid");
  if (user == getuid() && group == getgid()) return set_soft_limit(pid, soft);
  const pid_t child = fork();
  if (child == 0) _exit(become(user, group) && set_soft_limit(pid, soft) ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

std::string problem_as_nobody(const std::function<std::string()>& task) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    std::string problem;
    alarm(kLimitSeconds);
    if (!set_descriptor_limit(kEnough) || !become(kNobody, kNobody)) problem = "cannot become nobody";
    try {
      if (problem.empty()) problem = task();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    problem += '\n';
    if (write(write_end.get(), problem.data(), problem.size()) < 0) std::perror("write");
    _exit(0);
  }
  write_end.reset();
  std::string text;
  std::array<char, 1024> buffer{};
  for (ssize_t n = 0; (n = read(read_end.get(), buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  waitpid(child, nullptr, 0);
  if (!text.ends_with('\n')) return "it died";
  text.pop_back();
  return text;
}

PassingProbe::PassingProbe() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  one_.reset(ends[0]);
  other_.reset(ends[1]);
}

bool PassingProbe::is_refused() const {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* const part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = one_.get();
  std::memcpy(CMSG_DATA(part), &passed, sizeof passed);
  return sendmsg(one_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == ETOOMANYREFS;
}

}  // namespace vipward::test
