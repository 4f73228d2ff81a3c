#include "lb/guardian/spawn.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace vipward {
namespace {

constexpr int kInherited = 3;
constexpr int kCannotExecute = 127;  // as a shell says it

bool become(const Account& account) {
  return setgroups(0, nullptr) == 0 && setresgid(account.group, account.group, account.group) == 0 &&
         setresuid(account.user, account.user, account.user) == 0;
}

// What the guardian may is not for the proxy: with RLIMIT_RTPRIO it could run beside us at our own priority.
bool limit_rights() {
  const rlimit none{};
  return setrlimit(RLIMIT_RTPRIO, &none) == 0 && setrlimit(RLIMIT_NICE, &none) == 0 &&
         setrlimit(RLIMIT_MEMLOCK, &none) == 0;
}

// In the child, between fork and exec, as all that follows: system calls alone, nothing that allocates or
// locks. Gives `from` the number `to`; dup2 onto itself would leave the close-on-exec flag.
bool place(int from, int to) {
  return from == to ? fcntl(from, F_SETFD, 0) == 0 : dup2(from, to) == to;
}

// Ours are all close-on-exec; whoever started us may have left others open.
bool close_beyond(int last) {
  return close_range(static_cast<unsigned>(last) + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

void unblock_signals() {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void execute_proxy(const Executable& executable, int channel,
                                const std::optional<Account>& account) {
  // Leaving root clears every capability; where we are not root, what is ambient would survive. Then nothing
  // on disk, setuid or with capabilities of its own, gives any back.
  const bool harmless = limit_rights() && (!account || become(*account)) &&
                        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
                        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (place(channel, kInherited) && close_beyond(kInherited) && harmless) {
    unblock_signals();
    char name[] = "vipward";
    char command[] = "proxy";
    char* const arguments[] = {name, command, nullptr};
    executable.execute(arguments);
  }
  _exit(kCannotExecute);
}

[[noreturn]] void execute_accept(const Executable& executable, char* config_path,
                                 const AcceptStreams& streams) {
  if (dup2(streams.output, STDOUT_FILENO) == STDOUT_FILENO &&
      dup2(streams.complaints, STDERR_FILENO) == STDERR_FILENO && place(streams.state, kInherited) &&
      close_beyond(kInherited)) {
    unblock_signals();
    char name[] = "vipward";
    char command[] = "accept";
    char config[] = "--config";
    char state[] = "--state";
    char number[] = "3";
    char* const arguments[] = {name, command, config, config_path, state, number, nullptr};
    executable.execute(arguments);
  }
  _exit(kCannotExecute);
}

// The parent's half.
Child child_of(pid_t pid) {
  Child child;
  child.pid = pid;
  if (pid < 0) return child;
  child.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!child.pidfd) {
    const int error = errno;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    errno = error;
  }
  return child;
}

}  // namespace

Child spawn_proxy(const Executable& executable, int channel, const std::optional<Account>& account) {
  const pid_t pid = fork();
  if (pid == 0) execute_proxy(executable, channel, account);
  return child_of(pid);
}

Child spawn_accept(const Executable& executable, const std::string& config_path,
                   const AcceptStreams& streams) {
  std::string path = config_path;
  const pid_t pid = fork();
  if (pid == 0) execute_accept(executable, path.data(), streams);
  return child_of(pid);
}

ChildEnd reap(const Child& child) {
  int status = 0;
  if (waitpid(child.pid, &status, WNOHANG) != child.pid) return {};
  if (WIFSIGNALED(status)) return {.was_killed = true, .code = WTERMSIG(status)};
  return {.was_killed = false, .code = WEXITSTATUS(status)};
}

std::string to_string(const ChildEnd& end) {
  if (end.code < 0) return "unknown";
  return (end.was_killed ? "killed by signal " : "exit code ") + std::to_string(end.code);
}

void kill_child(const Child& child) {
  // By its descriptor: a number may be somebody else's by now.
  syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
}
}  // namespace vipward
