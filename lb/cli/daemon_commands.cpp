#include <ostream>
#include <sstream>
#include <string_view>

#include "lb/cli/commands.h"
#include "lb/cli/control_client.h"
#include "lb/cli/table.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// More than the longest list of what changed.
constexpr std::size_t kLongestReply = std::size_t{256} * 1024;
// A release is answered when the peer has been heard, when the address is back, or after 140 s.
constexpr ControlLimits kReleaseLimits{.timeout = 150s, .reply_bytes = kLongestReply};
// The new program may take 10 s to say that it accepts, the next proxy as long to get ready, and the answer
// waits 30 s for the sessions at most.
constexpr ControlLimits kSuccessionLimits{.timeout = 60s, .reply_bytes = kLongestReply};
constexpr ControlLimits kShortLimits{.timeout = 5s, .reply_bytes = kLongestReply};

// Line by line: what is printable is a line's matter.
std::string printable_lines(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) result += printable(line) + '\n';
  return result;
}

int say(std::string_view command, const ControlReply& reply, Output output) {
  if (!reply.error.empty()) {
    output.err << "vipward " << command << ": " << printable_lines(reply.error);
    return kExitError;
  }
  output.out << printable_lines(reply.body);
  return kExitOk;
}

}  // namespace

int run_release(const ReleaseCommand& command, Output output) {
  const std::string line =
      command.duration ? "release " + std::to_string(command.duration->count()) : std::string("release");
  return say("release", command_daemon(command.control_socket, line, kReleaseLimits), output);
}

int run_resume(const ResumeCommand& command, Output output) {
  return say("resume", command_daemon(command.control_socket, "resume", kShortLimits), output);
}

int run_reload(const ReloadCommand& command, Output output) {
  return say("reload", command_daemon(command.control_socket, "reload", kSuccessionLimits), output);
}

int run_upgrade(const UpgradeCommand& command, Output output) {
  return say("upgrade", command_daemon(command.control_socket, "upgrade", kSuccessionLimits), output);
}

int run_drain(const DrainCommand& command, Output output) {
  const auto limit = command.deadline.value_or(std::chrono::milliseconds(0));
  const std::string line = "drain " + std::to_string(limit.count()) + " " + command.backend;
  return say("drain", command_daemon(command.control_socket, line, kShortLimits), output);
}

int run_undrain(const UndrainCommand& command, Output output) {
  return say("undrain", command_daemon(command.control_socket, "undrain " + command.backend, kShortLimits),
             output);
}

}  // namespace vipward
