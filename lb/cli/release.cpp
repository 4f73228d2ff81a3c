#include <ostream>
#include <string_view>

#include "lb/cli/commands.h"
#include "lb/cli/control_client.h"
#include "lb/cli/table.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// A release is answered when the peer has been heard or three intervals have passed, and an interval is 40.95
// s at most.
constexpr ControlLimits kReleaseLimits{.timeout = 150s, .reply_bytes = 4096};
constexpr ControlLimits kResumeLimits{.timeout = 5s, .reply_bytes = 4096};

int say(std::string_view command, const ControlReply& reply, Output output) {
  if (!reply.error.empty()) {
    output.err << "vipward " << command << ": " << printable(reply.error) << '\n';
    return kExitError;
  }
  output.out << printable(reply.body) << '\n';
  return kExitOk;
}

}  // namespace

int run_release(const ReleaseCommand& command, Output output) {
  const std::string line =
      command.duration ? "release " + std::to_string(command.duration->count()) : std::string("release");
  return say("release", command_daemon(command.control_socket, line, kReleaseLimits), output);
}

int run_resume(const ResumeCommand& command, Output output) {
  return say("resume", command_daemon(command.control_socket, "resume", kResumeLimits), output);
}

}  // namespace vipward
