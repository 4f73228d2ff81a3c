#include "tests/support/process.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a command's exit code and both outputs are captured") {
  const CommandResult result = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"});
  CHECK(result.exit_code == 3);
  CHECK(result.standard_output == "out\n");
  CHECK(result.standard_error == "err\n");
}

TEST_CASE("a program that does not exist is an exception that names it") {
  CHECK_THROWS_WITH(Process({"/no/such/program"}),
                    "cannot start /no/such/program: No such file or directory");
}

TEST_CASE("a command that takes too long is killed") {
  const CommandResult result = run_command({"sleep", "60"}, 20ms);
  CHECK(result.exit_code == 124);
}

TEST_CASE("a child and what it left in its group end with the object") {
  pid_t child = -1;
  pid_t grandchild = -1;
  {
    Process process({"sh", "-c", "sleep 60 & echo $!; wait"});
    child = process.pid();
    REQUIRE(process.wait_for_line("^[0-9]+$", 5s));
    grandchild = std::stoi(process.standard_output());
    CHECK_FALSE(is_process_gone(grandchild));
  }
  CHECK(is_process_gone(child));
  CHECK(wait_until([&] { return is_process_gone(grandchild); }, 5s));
}

TEST_CASE("a signal's end is 128 and its number") {
  Process process({"sleep", "60"});
  CHECK(process.is_running());
  process.signal(SIGTERM);
  CHECK(process.wait(5s) == 128 + SIGTERM);
  CHECK_FALSE(process.is_running());
}

TEST_CASE("waiting for a line ends early when the process has ended without it") {
  Process process({"sh", "-c", "echo one; echo two"});
  const auto start = std::chrono::steady_clock::now();
  CHECK(process.wait_for_line("^t.o$", 5s));
  CHECK_FALSE(process.wait_for_line("three", 30s));
  CHECK(std::chrono::steady_clock::now() - start < 20s);
  CHECK(process.count_lines("o") == 2);
  CHECK(process.output_tail(1) == "two\n");
}

TEST_CASE("environment, folder and descriptor limit reach the child") {
  const Process::Options options{
      .environment = {"VIPWARD_TEST=yes"}, .working_directory = "/", .open_files = rlim_t{77}};
  const CommandResult result =
      run_command({"sh", "-c", "echo $VIPWARD_TEST; pwd; ulimit -n; test -n \"$PATH\""}, 5s, options);
  CHECK(result.succeeded());
  CHECK(result.standard_output == "yes\n/\n77\n");
}

TEST_CASE("a child does not inherit descriptors") {
  const CommandResult result = run_command({"sh", "-c", "ls /proc/self/fd | wc -l"});
  // Its three, and the one that ls reads the folder with.
  CHECK(result.standard_output == "4\n");
}

TEST_CASE("a temporary folder and its files go with the object") {
  std::filesystem::path path;
  {
    const TempDir folder;
    path = folder.path();
    CHECK(read_file(folder.file("a", "text")) == "text");
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace vipward::test
