#include "tests/support/syscall_steps.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

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

}  // namespace

std::string to_string(SyscallSteps::Who who) {
  constexpr const char* kNames[] = {"parent", "elder", "younger"};
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

// All requests are this thread's: ptrace(2) takes them from nobody else.
void SyscallSteps::run() {
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
  traced_[pid] = {.who = who, .is_followed = true};
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

void SyscallSteps::on_executed(pid_t pid, Traced& traced) {
  if (traced.who != Who::Younger || traced.is_followed) return go_on(pid, 0);
  if (first_argument(pid) != options_.younger_command) return let_go(pid, 0);
  traced.is_followed = true;
  younger_ = pid;
  go_on(pid, 0);
}

void SyscallSteps::on_call(pid_t pid, Traced& traced) {
  __ptrace_syscall_info info{};
  if (!traced.is_followed ||
      trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, reinterpret_cast<std::uintptr_t>(&info)) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_ENTRY)
    return;
  const auto number = static_cast<long>(info.entry.nr);
  if (std::ranges::find(options_.numbers, number) == options_.numbers.end()) return;
  options_.on_step({.who = traced.who,
                    .pid = pid,
                    .number = number,
                    .nth = ++traced.calls[number],
                    .fd = static_cast<int>(info.entry.args[0]),
                    .younger = younger_});
}

// Nobody to tell: it was killed where it stood, and its end is heard of next.
void SyscallSteps::go_on(pid_t pid, int signal) {
  const auto found = traced_.find(pid);
  const bool is_new = found != traced_.end() && !found->second.is_followed;
  trace(is_new ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, static_cast<std::uintptr_t>(signal));
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
