#include "tests/support/syscall_steps.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

namespace vipward::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSyscallStop = SIGTRAP | 0x80;  // PTRACE_O_TRACESYSGOOD
constexpr int kSpins = 200;  // looks without a pause: a process that makes many calls is not slowed much
constexpr std::chrono::microseconds kPause{50};

long trace(unsigned request, pid_t pid, std::uintptr_t address, std::uintptr_t data) {
  return ptrace(static_cast<__ptrace_request>(request), pid, address, data);
}

// Of /proc/PID/cmdline, what follows the program's name.
std::string first_argument(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  const std::size_t begin = line.find('\0');
  if (begin == std::string::npos) return "";
  return line.substr(begin + 1, line.find('\0', begin + 1) - begin - 1);
}

template <class T>
bool read_from(pid_t pid, const void* address, T* to, std::size_t count = 1) {
  const std::size_t size = count * sizeof(T);
  const iovec local{to, size};
  const iovec remote{const_cast<void*>(address), size};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

// Of what a msghdr of another process holds, in its first part. Empty if it cannot be read.
std::vector<std::uint8_t> head_of(pid_t pid, std::uintptr_t message, std::size_t most) {
  msghdr header{};
  iovec part{};
  if (!read_from(pid, reinterpret_cast<const void*>(message), &header) || header.msg_iovlen == 0 ||
      !read_from(pid, header.msg_iov, &part))
    return {};
  std::vector<std::uint8_t> head(std::min({part.iov_len, most, SyscallSteps::kHead}));
  if (!read_from(pid, part.iov_base, head.data(), head.size())) head.clear();
  return head;
}

}  // namespace

std::string to_string(SyscallSteps::Who who) {
  constexpr const char* kNames[] = {"parent", "elder", "younger", "newborn"};
  return kNames[static_cast<std::size_t>(who)];
}

SyscallSteps::SyscallSteps(Options options) : options_(std::move(options)) {
  thread_ = std::thread([this] { run(); });
  started_.wait(false);
  if (!error_) return;
  thread_.join();
  std::rethrow_exception(error_);
}

SyscallSteps::~SyscallSteps() {
  stop();
}

void SyscallSteps::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

// All requests are this thread's: ptrace(2) takes them from nobody else. Whoever stands at a step waits for
// it, and shall not wait for a core as well.
void SyscallSteps::run() {
  constexpr int kFirst = -20;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kFirst);
  try {
    seize(options_.parent, Who::Parent);
    if (options_.elder >= 0) seize(options_.elder, Who::Elder);
  } catch (...) {
    error_ = std::current_exception();
    let_all_go();
  }
  started_ = true;
  started_.notify_one();
  for (int idle = 0; !error_ && !stopping_ && !parent_ended_;) {
    idle = handle_one() ? 0 : idle + 1;
    if (idle > kSpins) std::this_thread::sleep_for(kPause);
  }
  let_all_go();
}

void SyscallSteps::seize(pid_t pid, Who who) {
  const unsigned options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC |
                           (who == Who::Parent ? unsigned{PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK} : 0U);
  if (trace(PTRACE_SEIZE, pid, 0, options) != 0 || trace(PTRACE_INTERRUPT, pid, 0, 0) != 0)
    throw std::system_error(errno, std::generic_category(), "ptrace of " + std::to_string(pid));
  traced_.try_emplace(pid, Traced{.who = who, .is_followed = true});
}

// False: nothing has happened. Others' children, and the ends of our own, are theirs to wait for.
bool SyscallSteps::handle_one() {
  siginfo_t info{};
  if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) != 0 ||
      info.si_pid == 0)
    return false;
  const pid_t pid = info.si_pid;
  if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
    on_end(pid);
    return true;
  }
  int status = 0;
  if (waitpid(pid, &status, WNOHANG | __WALL | __WNOTHREAD) != pid) return true;
  if (WIFSTOPPED(status)) {
    on_stop(pid, status);
  } else {
    traced_.erase(pid);  // it was killed between the two
  }
  return true;
}

// A tracer hears of the end before the parent does, who waits until it has been heard.
void SyscallSteps::on_end(pid_t pid) {
  if (pid == options_.parent) {
    parent_ended_ = true;
    return;
  }
  waitpid(pid, nullptr, WNOHANG | __WALL | __WNOTHREAD);
  traced_.erase(pid);
}

void SyscallSteps::on_stop(pid_t pid, int status) {
  // A new child may be seen before its parent's fork is.
  Traced& traced = traced_.try_emplace(pid, Traced{.who = Who::Younger}).first->second;
  const int signal = WSTOPSIG(status);
  const int event = status >> 16;
  if (event == PTRACE_EVENT_EXEC) {
    on_executed(pid, traced);
  } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK) {
    on_forked(pid);
  } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
    trace(PTRACE_LISTEN, pid, 0, 0);  // SIGSTOP: until its SIGCONT
  } else if (event != 0) {
    go_on(pid, 0);
  } else if (signal == kSyscallStop) {
    on_call(pid, traced);
    go_on(pid, 0);
  } else {
    go_on(pid, signal);
  }
}

void SyscallSteps::on_forked(pid_t parent) {
  unsigned long child = 0;
  if (trace(PTRACE_GETEVENTMSG, parent, 0, reinterpret_cast<std::uintptr_t>(&child)) == 0) {
    newest_ = static_cast<pid_t>(child);
    traced_.try_emplace(newest_, Traced{.who = Who::Younger});
  }
  go_on(parent, 0);
}

void SyscallSteps::on_executed(pid_t pid, Traced& traced) {
  if (traced.who != Who::Younger || traced.is_followed) return go_on(pid, 0);
  if (first_argument(pid) != options_.younger_command) return let_go(pid, 0);
  traced.is_followed = true;
  traced.calls.clear();
  younger_ = pid;
  go_on(pid, 0);
}

void SyscallSteps::on_call(pid_t pid, Traced& traced) {
  __ptrace_syscall_info info{};
  if (trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, reinterpret_cast<std::uintptr_t>(&info)) <= 0) return;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    on_entry(pid, traced, info);
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && traced.call) {
    on_exit(pid, traced, static_cast<long>(info.exit.rval));
  }
}

// A callback may kill the process that it is called for: then `traced` is gone when it comes back.
void SyscallSteps::on_entry(pid_t pid, Traced& traced, const __ptrace_syscall_info& info) {
  const auto number = static_cast<long>(info.entry.nr);
  if (std::ranges::find(options_.numbers, number) == options_.numbers.end()) return;
  Step step{.steps = *this,
            .who = traced.is_followed ? traced.who : Who::Newborn,
            .pid = pid,
            .number = number,
            .nth = ++traced.calls[number],
            .fd = static_cast<int>(info.entry.args[0]),
            .younger = younger_,
            .newest = newest_};
  traced.message = info.entry.args[1];
  if (number == SYS_sendmsg) step.head = head_of(pid, traced.message, kHead);
  if (options_.on_return) traced.call.emplace(step);
  options_.on_step(step);
}

void SyscallSteps::on_exit(pid_t pid, Traced& traced, long result) {
  Step step = *traced.call;
  traced.call.reset();
  step.younger = younger_;
  step.newest = newest_;
  step.result = result;
  if (step.number == SYS_recvmsg && result > 0)
    step.head = head_of(pid, traced.message, static_cast<std::size_t>(result));
  options_.on_return(step);
}

bool SyscallSteps::kill(pid_t pid) {
  if (pid == options_.parent || !traced_.contains(pid)) return false;
  ::kill(pid, SIGKILL);
  int status = 0;
  // It may have been stopping just then.
  while (waitpid(pid, &status, __WALL | __WNOTHREAD) == pid && WIFSTOPPED(status)) {
  }
  traced_.erase(pid);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

// Nobody to tell: it was killed where it stood, and its end is heard of next.
void SyscallSteps::go_on(pid_t pid, int signal) {
  trace(PTRACE_SYSCALL, pid, 0, static_cast<std::uintptr_t>(signal));
}

void SyscallSteps::let_go(pid_t pid, int signal) {
  trace(PTRACE_DETACH, pid, 0, static_cast<std::uintptr_t>(signal));
  traced_.erase(pid);
}

void SyscallSteps::let_all_go() {
  const auto deadline = Clock::now() + kDetachLimit;
  for (const auto& [pid, traced] : traced_) trace(PTRACE_INTERRUPT, pid, 0, 0);
  // Each stops somewhere, and is let go there. A new child of a fork that is under way comes along.
  while (!traced_.empty() && !parent_ended_ && Clock::now() < deadline) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL | __WNOTHREAD) != 0) break;
    if (info.si_pid == 0) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) {
      on_end(info.si_pid);
      continue;
    }
    int status = 0;
    if (waitpid(info.si_pid, &status, WNOHANG | __WALL | __WNOTHREAD) != info.si_pid) continue;
    const int signal = WSTOPSIG(status);
    const bool is_signal = WIFSTOPPED(status) && (status >> 16) == 0 && signal != kSyscallStop;
    let_go(info.si_pid, is_signal ? signal : 0);
  }
}

}  // namespace vipward::test
