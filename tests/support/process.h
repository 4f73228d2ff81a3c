// A child process that never outlives its owner: killed and reaped when the object goes, killed by the kernel
// when the test dies. Its output is captured in memory. One owner at a time; start it from a thread that
// lives as long as the child may (the kernel ends the child with the thread that made it).
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/fd.h"

namespace vipward::test {

using Millis = std::chrono::milliseconds;

class Process {
 public:
  struct Options {
    std::vector<std::string> environment{};  // NAME=VALUE, on top of ours
    std::string working_directory{};         // empty: ours
    int network_namespace = -1;              // a descriptor of it; -1: the calling thread's
    int output = -1;                         // takes stdout and stderr instead of the capture; borrowed
    std::optional<rlim_t> open_files{};      // RLIMIT_NOFILE, soft and hard
    std::optional<uid_t> user{};             // uid and gid, without supplementary groups
  };

  // Returns when the program runs; throws if it cannot be executed. A name without a slash is looked up in
  // PATH.
  Process(std::vector<std::string> argv, const Options& options);
  explicit Process(std::vector<std::string> argv) : Process(std::move(argv), Options{}) {}
  // Kills the child. What it left in its process group is killed as soon as its end is seen.
  ~Process();
  Process(Process&& other) noexcept = default;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool is_running() { return !wait(Millis{0}).has_value(); }
  // Ignored when it has ended already.
  void signal(int number);
  // SIGKILL, and waits until its sockets and those of its children are closed and it is reaped.
  void kill();
  // The exit code, or 128 + the number of the signal that ended it; nothing if it still runs after `limit`.
  std::optional<int> wait(Millis limit);

  // Everything written so far.
  std::string standard_output() const { return captured(standard_output_); }
  std::string standard_error() const { return captured(standard_error_); }
  // Both, stdout first.
  std::string output() const { return standard_output() + standard_error(); }
  // The end of the output, for the message of a failed test.
  std::string output_tail(std::size_t lines = 40) const;
  // Lines of either that hold a match of the extended regular expression (regex(7)).
  std::size_t count_lines(const std::string& pattern) const;
  // Waits for one; false after `limit`, or once the process has ended without it.
  bool wait_for_line(const std::string& pattern, Millis limit);

 private:
  static std::string captured(const Fd& file);

  pid_t pid_ = -1;
  Fd pidfd_;
  Fd standard_output_;
  Fd standard_error_;
  std::optional<int> exit_code_;
};

// It does not exist, or has ended and waits to be reaped.
bool is_process_gone(pid_t pid);

// Those that it started and that still run, whatever they do; none if it is gone.
std::vector<pid_t> children_of(pid_t pid);

// A field of /proc/PID/status, its tabs as spaces: "Uid" -> "0 0 0 0". Empty if there is none.
std::string process_status(pid_t pid, std::string_view field);
// One of its capability sets there, as linux/capability.h numbers the bits: "CapEff".
std::uint64_t capabilities_of(pid_t pid, std::string_view set);

struct CommandResult {
  int exit_code = 0;  // as Process::wait; 124 if it was killed because the limit was over
  std::string standard_output;
  std::string standard_error;
  bool succeeded() const { return exit_code == 0; }
};

// Runs a command to its end, at most `limit` long.
CommandResult run_command(std::vector<std::string> argv, Millis limit, const Process::Options& options);
inline CommandResult run_command(std::vector<std::string> argv, Millis limit = Millis{30000}) {
  return run_command(std::move(argv), limit, Process::Options{});
}

}  // namespace vipward::test
