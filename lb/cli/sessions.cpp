#include <ostream>

#include "lb/cli/commands.h"
#include "lb/cli/control_client.h"
#include "lb/cli/sessions_text.h"
#include "lb/cli/table.h"

namespace vipward {

int run_sessions(const SessionsCommand& command, Output output) {
  const ControlReply reply = ask_daemon(command.control_socket, "/api/v1/sessions");
  if (!reply.error.empty()) {
    output.err << "vipward sessions: " << reply.error << '\n';
    return kExitError;
  }
  if (!reply.down.empty()) {
    output.err << "vipward sessions: " << printable(reply.down) << '\n';
    return kExitError;
  }
  const std::optional<std::string> text = render_sessions_text(reply.body);
  if (!text) {
    output.err << "vipward sessions: " << command.control_socket << ": what answers is not vipward\n";
    return kExitError;
  }
  output.out << (command.json ? reply.body : *text);
  return kExitOk;
}

}  // namespace vipward
