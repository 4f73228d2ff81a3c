#include <ostream>

#include "lb/cli/commands.h"
#include "lb/cli/control_client.h"
#include "lb/cli/status_text.h"
#include "lb/cli/table.h"

namespace vipward {

int run_status(const StatusCommand& command, Output output) {
  const ControlReply reply = ask_daemon(command.control_socket, "/api/v1/status");
  if (!reply.error.empty()) {
    output.err << "vipward status: " << reply.error << '\n';
    return kExitError;
  }
  if (!reply.down.empty()) {
    (command.json ? output.err : output.out) << "DOWN: " << printable(reply.down) << '\n';
    return kExitError;
  }
  const std::optional<StatusText> status = render_status_text(reply.body);
  if (!status) {
    output.err << "vipward status: " << command.control_socket << ": what answers is not vipward\n";
    return kExitError;
  }
  output.out << (command.json ? reply.body : status->text);
  return status->fine ? kExitOk : kExitError;
}

}  // namespace vipward
