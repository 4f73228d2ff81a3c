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

constexpr int kChannel = 3;
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

// In the child, between fork and exec: system calls alone, nothing that allocates or locks.
[[noreturn]] void execute(int channel, const std::optional<Account>& account) {
  // dup2 onto itself would leave the flag. Ours are all close-on-exec; whoever started us may have left
  // others open.
  const bool moved =
      channel == kChannel ? fcntl(channel, F_SETFD, 0) == 0 : dup2(channel, kChannel) == kChannel;
  // Leaving root clears every capability; where we are not root, what is ambient would survive. Then nothing
  // on disk, setuid or with capabilities of its own, gives any back.
  const bool alone = close_range(kChannel + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
  const bool harmless = limit_rights() && (!account || become(*account)) &&
                        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
                        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (moved && alone && harmless) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, nullptr);
    char name[] = "vipward";
    char command[] = "proxy";
    char* const arguments[] = {name, command, nullptr};
    // The file we run, although another one may have its name by now.
    execv("/proc/self/exe", arguments);
  }
  _exit(kCannotExecute);
}

}  // namespace

ProxyChild spawn_proxy(int channel, const std::optional<Account>& account) {
  ProxyChild child;
  child.pid = fork();
  if (child.pid == 0) execute(channel, account);
  if (child.pid < 0) return child;
  child.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd) {
    const int error = errno;
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    errno = error;
  }
  return child;
}

std::string reap(const ProxyChild& child) {
  int status = 0;
  if (waitpid(child.pid, &status, WNOHANG) != child.pid) return "unknown";
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

void kill_child(const ProxyChild& child) {
  // By its descriptor: a number may be somebody else's by now.
  syscall(SYS_pidfd_send_signal, child.pidfd.get(), SIGKILL, nullptr, 0);
}

}  // namespace vipward
