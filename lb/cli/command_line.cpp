#include "lb/cli/command_line.h"

#include <CLI/CLI.hpp>

#include "config/problems.h"
#include "config/values.h"

namespace vipward {
namespace {

void add_config_option(CLI::App& command, std::string& path) {
  command.add_option("-c,--config", path, "The configuration")->type_name("FILE")->capture_default_str();
}

void add_control_socket_option(CLI::App& command, std::string& path) {
  command.add_option("--control-socket", path, "Where the daemon answers")
      ->type_name("PATH")
      ->capture_default_str();
}

// Of `release --for`. The text of an error, or none.
std::string read_release_duration(const std::string& text, ReleaseCommand& release) {
  using namespace std::chrono_literals;
  constexpr auto kLongest = 720h;
  if (text.empty()) return "";
  release.duration = config::parse_duration(text);
  if (release.duration && *release.duration >= 1s && *release.duration <= kLongest) return "";
  return "--for: " + config::quoted(text) + " is not allowed, allowed: 1s to 720h, such as 90s, 5m or 1h";
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CLI::App app("The load balancer of one address: the virtual IP of a highly available Kubernetes API.",
               "vipward");
  RunCommand run;
  CheckCommand check;
  StatusCommand status;
  ReleaseCommand release;
  ResumeCommand resume;
  std::string release_duration;
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
  add_control_socket_option(*status_app, status.control_socket);
  status_app->add_flag("--json", status.json, "Print what /api/v1/status says");
  CLI::App* release_app = app.add_subcommand("release",
                                             "Give the virtual IP to the other host; exit 1 if nobody took "
                                             "it over, and it is here again. This host takes it "
                                             "back only if nobody holds it, until `resume`");
  release_app->add_option("--for", release_duration, "A candidate again after this time, without `resume`")
      ->type_name("DURATION");
  add_control_socket_option(*release_app, release.control_socket);
  CLI::App* resume_app =
      app.add_subcommand("resume", "After `release`: be a candidate for the virtual IP again");
  add_control_socket_option(*resume_app, resume.control_socket);
  CLI::App* proxy_app = app.add_subcommand("proxy", "Internal: started by `run`")->group("");
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
  if (*release_app) {
    const std::string error = read_release_duration(release_duration, release);
    if (!error.empty()) return UsageError{"vipward: " + error + "\nSee vipward --help\n"};
    return release;
  }
  if (*resume_app) return resume;
  if (*proxy_app) return ProxyCommand{};
  if (*version_app || show_version) return VersionCommand{};
  return UsageError{"vipward: a command is missing\n\n" + app.help()};
}

}  // namespace vipward
