// What systemd says of deploy/systemd/vipward.service without starting it.
#include <doctest/doctest.h>

#include "tests/support/temp_dir.h"
#include "tests/system/daemon.h"

namespace vipward::test {
namespace {

constexpr const char* kInstalledBinary = "/usr/local/sbin/vipward";

std::string unit_text() {
  return read_file("deploy/systemd/vipward.service");
}

// As it would be installed with this binary.
CommandResult verify(std::string text) {
  const TempDir folder;
  for (const std::string line : {"ExecStart=", "ExecReload="})
    text = replaced(text, line + kInstalledBinary, line + Daemon::binary());
  const std::string unit = folder.file("vipward.service", text);
  return run_command(
      {"systemd-analyze", "verify", "--recursive-errors=no", "--man=no", "--generators=no", unit});
}

TEST_CASE("systemd finds nothing wrong with the unit") {
  const CommandResult result = verify(unit_text());
  CHECK(result.exit_code == 0);
  CHECK(result.standard_output + result.standard_error == "");
}

TEST_CASE("systemd finds what is wrong with a unit: this test would notice") {
  std::string wrong;
  SUBCASE("a key that there is not") {
    wrong = replaced(unit_text(), "WatchdogSec=", "WatchdogSecs=");
  }
  SUBCASE("a value that there is not") {
    wrong = replaced(unit_text(), "KillMode=mixed", "KillMode=gentle");
  }
  SUBCASE("a program that there is not") {
    wrong = replaced(unit_text(), "vipward run", "vipward-x run");
  }
  const CommandResult result = verify(wrong);
  CHECK_MESSAGE(result.exit_code != 0, result.standard_output, result.standard_error);
}

}  // namespace
}  // namespace vipward::test
