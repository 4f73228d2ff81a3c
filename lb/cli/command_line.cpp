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

// Of `release --for` and `drain --deadline`. The text of an error, or none.
std::string read_span(const std::string& option, const std::string& text,
                      std::optional<std::chrono::milliseconds>& span) {
  using namespace std::chrono_literals;
  constexpr auto kLongest = 720h;
  if (text.empty()) return "";
  span = config::parse_duration(text);
  if (span && *span >= 1s && *span <= kLongest) return "";
  return option + ": " + config::quoted(text) + " is not allowed, allowed: 1s to 720h, such as 90s, 5m or 1h";
}

// The text of an error, or none.
std::string check_backend(const std::string& name) {
  const bool is_one_word = !name.empty() && name.find_first_of(" \t\r\n") == std::string::npos;
  if (is_one_word && name.size() <= 128) return "";
  return config::quoted(name) + " is no backend, allowed: [SERVICE/]BACKEND, as the configuration names them";
}

UsageError usage(const std::string& error) {
  return UsageError{"vipward: " + error + "\nSee vipward --help\n"};
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
  ReloadCommand reload;
  UpgradeCommand upgrade;
  DrainCommand drain;
  UndrainCommand undrain;
  SessionsCommand sessions;
  AcceptCommand accept;
  std::string drain_deadline;
  std::string release_duration;
  bool show_version = false;
  app.require_subcommand(0, 1);

  app.add_flag("--version", show_version, "The same as `vipward version`");
  CLI::App* run_app = app.add_subcommand("run", "Serve what the configuration says, in the foreground");
  add_config_option(*run_app, run.config_path);
  run_app->add_option("--inherit", run.inherited_state)->group("");
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
  CLI::App* reload_app = app.add_subcommand(
      "reload",
      "Put the changed configuration into effect; no session is closed. Exit 1, with every error, if "
      "nothing changed");
  add_control_socket_option(*reload_app, reload.control_socket);
  CLI::App* upgrade_app = app.add_subcommand(
      "upgrade", "The same with the binary that is on disk now, which takes over without closing a session");
  add_control_socket_option(*upgrade_app, upgrade.control_socket);
  CLI::App* drain_app = app.add_subcommand(
      "drain", "No new sessions for a backend, in this service or in all; those that it has go on");
  drain_app->add_option("BACKEND", drain.backend, "[SERVICE/]BACKEND")->required();
  drain_app->add_option("--deadline", drain_deadline, "Close what is left after this time, at a pace")
      ->type_name("DURATION");
  add_control_socket_option(*drain_app, drain.control_socket);
  CLI::App* undrain_app = app.add_subcommand("undrain", "New sessions for a drained backend again");
  undrain_app->add_option("BACKEND", undrain.backend, "[SERVICE/]BACKEND")->required();
  add_control_socket_option(*undrain_app, undrain.control_socket);
  CLI::App* sessions_app = app.add_subcommand("sessions", "Who is connected: client, backend, age, bytes");
  sessions_app->add_flag("--json", sessions.json, "Print what /api/v1/sessions says");
  add_control_socket_option(*sessions_app, sessions.control_socket);
  CLI::App* accept_app = app.add_subcommand("accept", "Internal: started by `run`")->group("");
  accept_app->add_option("--config", accept.config_path)->required();
  accept_app->add_option("--state", accept.state)->required();
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
    const std::string error = read_span("--for", release_duration, release.duration);
    if (!error.empty()) return usage(error);
    return release;
  }
  if (*drain_app) {
    std::string error = check_backend(drain.backend);
    if (error.empty()) error = read_span("--deadline", drain_deadline, drain.deadline);
    if (!error.empty()) return usage(error);
    return drain;
  }
  if (*undrain_app) {
    if (const std::string error = check_backend(undrain.backend); !error.empty()) return usage(error);
    return undrain;
  }
  if (*reload_app) return reload;
  if (*upgrade_app) return upgrade;
  if (*sessions_app) return sessions;
  if (*resume_app) return resume;
  if (*accept_app) return accept;
  if (*proxy_app) return ProxyCommand{};
  if (*version_app || show_version) return VersionCommand{};
  return UsageError{"vipward: a command is missing\n\n" + app.help()};
}

}  // namespace vipward
