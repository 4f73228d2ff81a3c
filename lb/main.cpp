#include <cstdio>
#include <iostream>
#include <variant>

#include "lb/app/run_proxy.h"
#include "lb/cli/command_line.h"
#include "lb/cli/commands.h"
#include "lb/guardian/acceptance.h"
#include "lb/guardian/run.h"

namespace {

using namespace vipward;

struct Dispatch {
  Output output;

  int operator()(const RunCommand& command) const {
    return command.inherited_state ? run_next_image(command.config_path, *command.inherited_state)
                                   : run(command.config_path);
  }
  int operator()(const CheckCommand& command) const { return run_check(command, output); }
  int operator()(const StatusCommand& command) const { return run_status(command, output); }
  int operator()(const ReleaseCommand& command) const { return run_release(command, output); }
  int operator()(const ResumeCommand& command) const { return run_resume(command, output); }
  int operator()(const SessionsCommand& command) const { return run_sessions(command, output); }
  int operator()(const ReloadCommand& command) const { return run_reload(command, output); }
  int operator()(const UpgradeCommand& command) const { return run_upgrade(command, output); }
  int operator()(const DrainCommand& command) const { return run_drain(command, output); }
  int operator()(const UndrainCommand& command) const { return run_undrain(command, output); }
  int operator()(const AcceptCommand& command) const {
    return accept_succession(command.config_path, command.state);
  }
  int operator()(const ProxyCommand& command) const { return run_proxy(command.channel_fd); }
  int operator()(const VersionCommand&) const { return run_version(output); }
  int operator()(const HelpCommand& help) const {
    std::fputs(help.text.c_str(), stdout);
    return kExitOk;
  }
  int operator()(const UsageError& error) const {
    std::fputs(error.text.c_str(), stderr);
    return kExitUsage;
  }
};

}  // namespace

int main(int argc, char** argv) {
  return std::visit(Dispatch{.output = {.out = std::cout, .err = std::cerr}}, parse_command_line(argc, argv));
}
