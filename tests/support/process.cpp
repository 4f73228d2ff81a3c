#include "tests/support/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (std::string& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view key = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(additions.begin(), additions.end(),
                                      [&](const std::string& other) { return other.starts_with(key); });
    if (!replaced) result.emplace_back(text);
  }
  result.insert(result.end(), additions.begin(), additions.end());
  return result;
}

// What the child needs, made before fork(): afterwards it may only call what is async-signal-safe.
struct Launch {
  const Process::Options& options;
  char* const* argv;
  char* const* environment;
  int standard_output;
  int standard_error;
  int error_pipe;
  pid_t parent;
};

[[noreturn]] void give_up(int error_pipe) {
  const int code = errno;
  // Nothing is left to do if the parent has gone.
  [[maybe_unused]] const ssize_t written = write(error_pipe, &code, sizeof code);
  _exit(127);
}

[[noreturn]] void become_child(const Launch& launch) {
  const Process::Options& options = launch.options;
  setpgid(0, 0);
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  const int input = open("/dev/null", O_RDONLY);
  if (input < 0 || dup2(input, 0) < 0 || dup2(launch.standard_output, 1) < 0 ||
      dup2(launch.standard_error, 2) < 0) {
    give_up(launch.error_pipe);
  }
  if (options.network_namespace >= 0 && setns(options.network_namespace, CLONE_NEWNET) != 0) {
    give_up(launch.error_pipe);
  }
  if (!options.working_directory.empty() && chdir(options.working_directory.c_str()) != 0) {
    give_up(launch.error_pipe);
  }
  if (options.open_files) {
    const rlimit limit{*options.open_files, *options.open_files};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) give_up(launch.error_pipe);
  }
  if (options.user &&
      (setgroups(0, nullptr) != 0 || setgid(*options.user) != 0 || setuid(*options.user) != 0)) {
    give_up(launch.error_pipe);
  }
  // After the change of user, which would clear it. The parent may have died before.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != launch.parent) give_up(launch.error_pipe);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  execvpe(launch.argv[0], launch.argv, launch.environment);
  give_up(launch.error_pipe);
}

// glibc 2.36 declares pidfd_open, but not for C++ (no extern "C" in sys/pidfd.h).
int open_pidfd(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

Fd capture_file(const char* name) {
  Fd file(memfd_create(name, MFD_CLOEXEC));
  if (!file) fail("memfd_create");
  // The position of a memfd has no lock (FMODE_ATOMIC_POS is for files that were opened): two threads of the
  // child would write over each other.
  if (fcntl(file.get(), F_SETFL, O_APPEND) != 0) fail("memfd_create");
  return file;
}

// POSIX, not std::regex, whose recursion overflows the stack on long lines.
class Pattern {
 public:
  explicit Pattern(const std::string& text) {
    if (regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
      throw std::runtime_error("not a regular expression: " + text);
    }
  }
  ~Pattern() { regfree(&compiled_); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  bool matches(std::string_view line) const {
    return regexec(&compiled_, std::string(line).c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
};

template <class Use>
void for_each_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    use(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Process::Process(std::vector<std::string> argv, const Options& options)
    : standard_output_(capture_file("stdout")), standard_error_(capture_file("stderr")) {
  std::vector<std::string> environment = merged_environment(options.environment);
  const std::vector<char*> argument_pointers = pointers(argv);
  const std::vector<char*> environment_pointers = pointers(environment);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const bool capture = options.output < 0;
  const Launch launch{.options = options,
                      .argv = argument_pointers.data(),
                      .environment = environment_pointers.data(),
                      .standard_output = capture ? standard_output_.get() : options.output,
                      .standard_error = capture ? standard_error_.get() : options.output,
                      .error_pipe = write_end.get(),
                      .parent = getpid()};
  pid_ = fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) become_child(launch);
  write_end.reset();
  int code = 0;
  if (read(read_end.get(), &code, sizeof code) == sizeof code) {
    waitpid(pid_, nullptr, 0);
    throw std::system_error(code, std::generic_category(), "cannot start " + argv.front());
  }
  pidfd_.reset(open_pidfd(pid_));
  if (!pidfd_) fail("pidfd_open");
}

Process::~Process() {
  if (pidfd_) kill();
}

Process& Process::operator=(Process&& other) noexcept {
  if (this == &other) return *this;
  if (pidfd_) kill();
  pid_ = other.pid_;
  pidfd_ = std::move(other.pidfd_);
  standard_output_ = std::move(other.standard_output_);
  standard_error_ = std::move(other.standard_error_);
  exit_code_ = other.exit_code_;
  return *this;
}

void Process::signal(int number) {
  if (!exit_code_) syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

void Process::kill() {
  const std::vector<pid_t> children = exit_code_ ? std::vector<pid_t>() : children_of(pid_);
  signal(SIGKILL);
  wait(Millis{10000});
  wait_until([&] { return std::ranges::all_of(children, is_process_gone); }, Millis{10000});
}

std::optional<int> Process::wait(Millis limit) {
  if (exit_code_) return exit_code_;
  pollfd watched{pidfd_.get(), POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + limit;
  int ready = 0;
  do {
    const auto left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
    ready = poll(&watched, 1, static_cast<int>(std::max<Millis::rep>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return std::nullopt;
  // The group is the child's own, and its number cannot be given out again before the child is reaped.
  ::kill(-pid_, SIGKILL);
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0) fail("waitid");
  exit_code_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  return exit_code_;
}

std::string Process::captured(const Fd& file) {
  struct stat information {};
  if (!file || fstat(file.get(), &information) != 0) return {};
  std::string text(static_cast<std::size_t>(information.st_size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count =
        pread(file.get(), text.data() + filled, text.size() - filled, static_cast<off_t>(filled));
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

std::string Process::output_tail(std::size_t lines) const {
  const std::string text = output();
  std::size_t begin = text.size();
  for (std::size_t seen = 0; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && begin != text.size() && ++seen == lines) break;
  }
  return text.substr(begin);
}

std::size_t Process::count_lines(const std::string& pattern) const {
  const Pattern expression(pattern);
  std::size_t count = 0;
  for_each_line(output(), [&](std::string_view line) {
    if (expression.matches(line)) ++count;
  });
  return count;
}

bool Process::wait_for_line(const std::string& pattern, Millis limit) {
  bool found = false;
  wait_until(
      [&] {
        // Asked in this order, the last words of a process that ends are seen too.
        const bool ended = !is_running();
        found = count_lines(pattern) > 0;
        return found || ended;
      },
      limit);
  return found;
}

bool is_process_gone(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return true;
  // The state follows the name, which may hold anything.
  const auto name_end = text.rfind(") ");
  return name_end != std::string::npos && text[name_end + 2] == 'Z';
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code ignored;
  const std::filesystem::path threads = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& thread : std::filesystem::directory_iterator(threads, ignored)) {
    std::ifstream file(thread.path() / "children");
    for (pid_t child = 0; file >> child;) {
      if (!is_process_gone(child)) children.push_back(child);
    }
  }
  return children;
}

std::string process_status(pid_t pid, std::string_view field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  const std::string start = std::string(field) + ":";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(start)) continue;
    std::string value = line.substr(std::min(line.size(), start.size() + 1));
    std::ranges::replace(value, '\t', ' ');
    return value;
  }
  return {};
}

std::uint64_t capabilities_of(pid_t pid, std::string_view set) {
  return std::stoull(process_status(pid, set), nullptr, 16);
}

CommandResult run_command(std::vector<std::string> argv, Millis limit, const Process::Options& options) {
  Process process(std::move(argv), options);
  std::optional<int> code = process.wait(limit);
  if (!code) {
    process.kill();
    code = 124;
  }
  return {*code, process.standard_output(), process.standard_error()};
}

}  // namespace vipward::test
