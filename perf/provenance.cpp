#include "perf/provenance.h"

#include <sys/utsname.h>

#include <array>
#include <ctime>
#include <thread>
#include <vector>

#include "tests/support/process.h"

namespace vipward::perf {
namespace {

std::string first_line_of(std::vector<std::string> argv) {
  const test::CommandResult result = test::run_command(std::move(argv));
  const std::string text = result.standard_output + result.standard_error;
  return text.substr(0, text.find('\n'));
}

}  // namespace

std::string utc_now(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), format, &parts);
  return date.data();
}

std::string provenance(const std::string& command_line) {
  utsname system{};
  uname(&system);
  return "`" + command_line + "` at " +
         first_line_of({"git", "-C", VIPWARD_SOURCE_DIR, "describe", "--always", "--dirty"}) + ", on " +
         std::to_string(std::thread::hardware_concurrency()) + " cores, Linux " + system.release + "; " +
         first_line_of({"haproxy", "-v"}) + "; " + first_line_of({"nginx", "-v"}) + ".";
}

}  // namespace vipward::perf
