#include "lb/cli/command_line.h"

#include <CLI/CLI.hpp>

namespace vipward {
namespace {

void add_config_option(CLI::App& command, std::string& path) {
  command.add_option("-c,--config", path, "The configuration")->type_name("FILE")->capture_default_str();
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CLI::App app("The load balancer of one address: the virtual IP of a highly available Kubernetes API.",
               "vipward");
  RunCommand run;
  CheckCommand check;
  StatusCommand status;
  bool show_version = false;
  app.require_subcommand(0, 1);

  app.add_flag("--version", show_version, "The same as `vipward version`");
  CLI::App* run_app = app.add_subcommand("run", "Serve what the configuration says, in the foreground");
  add_config_option(*run_app, run.config_path);
  CLI::App* check_app =
      app.add_subcommand("check", "Say every error of a configuration; exit 0 if there is none, else 1");
  add_config_option(*check_app, check.config_path);
  CLI::App* status_app =
      app.add_subcommand("status", "Is it fine? The first line says so, and the exit code: 0 fine, 1 not");
  status_app->add_option("--control-socket", status.control_socket, "Where the daemon answers")
      ->type_name("PATH")
      ->capture_default_str();
  status_app->add_flag("--json", status.json, "Print what /api/v1/status says");
  CLI::App* version_app = app.add_subcommand("version", "What this is");

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    // Of the command that was named, if one was.
    const auto named = app.get_subcommands();
    return HelpCommand{named.empty() ? app.help() : named.front()->help("vipward")};
  } catch (const CLI::ParseError& error) {
    return UsageError{std::string("vipward: ") + error.what() + "\nSee vipward --help\n"};
  }
  if (*run_app) return run;
  if (*check_app) return check;
  if (*status_app) return status;
  if (*version_app || show_version) return VersionCommand{};
  return UsageError{"vipward: a command is missing\n\n" + app.help()};
}

}  // namespace vipward
