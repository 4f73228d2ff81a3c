#include "lb/cli/command_line.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <sstream>
#include <vector>

#include "lb/cli/commands.h"

using namespace vipward;

namespace {

Command parse(std::initializer_list<const char*> arguments) {
  std::vector<const char*> argv{"vipward"};
  argv.insert(argv.end(), arguments);
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

std::string usage_error(std::initializer_list<const char*> arguments) {
  const Command command = parse(arguments);
  REQUIRE(std::holds_alternative<UsageError>(command));
  return std::get<UsageError>(command).text;
}

}  // namespace

TEST_CASE("every command has its defaults") {
  CHECK(std::get<RunCommand>(parse({"run"})).config_path == "/etc/vipward/vipward.yaml");
  CHECK(std::get<CheckCommand>(parse({"check"})).config_path == "/etc/vipward/vipward.yaml");
  CHECK(std::get<StatusCommand>(parse({"status"})).control_socket == "/run/vipward/control.sock");
  CHECK_FALSE(std::get<StatusCommand>(parse({"status"})).json);
  CHECK(std::get<ReleaseCommand>(parse({"release"})).control_socket == "/run/vipward/control.sock");
  CHECK_FALSE(std::get<ReleaseCommand>(parse({"release"})).duration.has_value());
  CHECK(std::get<ResumeCommand>(parse({"resume"})).control_socket == "/run/vipward/control.sock");
  CHECK(std::get<ReloadCommand>(parse({"reload"})).control_socket == "/run/vipward/control.sock");
  CHECK(std::get<UpgradeCommand>(parse({"upgrade"})).control_socket == "/run/vipward/control.sock");
  CHECK(std::get<SessionsCommand>(parse({"sessions"})).control_socket == "/run/vipward/control.sock");
  CHECK_FALSE(std::get<SessionsCommand>(parse({"sessions"})).json);
  const auto drain = std::get<DrainCommand>(parse({"drain", "master-2"}));
  CHECK(drain.control_socket == "/run/vipward/control.sock");
  CHECK(drain.backend == "master-2");
  CHECK_FALSE(drain.deadline.has_value());
  CHECK(std::get<UndrainCommand>(parse({"undrain", "api/master-2"})).backend == "api/master-2");
  CHECK_FALSE(std::get<RunCommand>(parse({"run"})).inherited_state.has_value());
  CHECK(std::get<ProxyCommand>(parse({"proxy"})).channel_fd == 3);
  CHECK(std::holds_alternative<VersionCommand>(parse({"version"})));
  CHECK(std::holds_alternative<VersionCommand>(parse({"--version"})));
}

TEST_CASE("options are taken by the command they belong to") {
  CHECK(std::get<RunCommand>(parse({"run", "-c", "a.yaml"})).config_path == "a.yaml");
  CHECK(std::get<RunCommand>(parse({"run", "--config=a.yaml"})).config_path == "a.yaml");
  CHECK(std::get<CheckCommand>(parse({"check", "-c", "a.yaml"})).config_path == "a.yaml");
  const auto status = std::get<StatusCommand>(parse({"status", "--json", "--control-socket", "/tmp/s"}));
  CHECK(status.json);
  CHECK(status.control_socket == "/tmp/s");
  const auto release =
      std::get<ReleaseCommand>(parse({"release", "--for", "1.5m", "--control-socket", "/tmp/s"}));
  CHECK(release.duration == std::chrono::seconds(90));
  CHECK(release.control_socket == "/tmp/s");
  CHECK(std::get<ResumeCommand>(parse({"resume", "--control-socket", "/tmp/s"})).control_socket == "/tmp/s");
  CHECK(std::get<ReloadCommand>(parse({"reload", "--control-socket", "/tmp/s"})).control_socket == "/tmp/s");
  CHECK(std::get<UpgradeCommand>(parse({"upgrade", "--control-socket=/tmp/s"})).control_socket == "/tmp/s");
  const auto sessions =
      std::get<SessionsCommand>(parse({"sessions", "--json", "--control-socket", "/tmp/s"}));
  CHECK(sessions.json);
  CHECK(sessions.control_socket == "/tmp/s");
  const auto drain =
      std::get<DrainCommand>(parse({"drain", "api/m2", "--deadline", "10m", "--control-socket", "/tmp/s"}));
  CHECK(drain.deadline == std::chrono::minutes(10));
  CHECK(drain.control_socket == "/tmp/s");
  CHECK(std::get<UndrainCommand>(parse({"undrain", "--control-socket", "/tmp/s", "m2"})).control_socket ==
        "/tmp/s");
}

TEST_CASE("a backend is one word, and what drains it has a deadline that makes sense") {
  const auto no_backend = [](const std::string& name) {
    return "vipward: \"" + name +
           "\" is no backend, allowed: [SERVICE/]BACKEND, as the configuration names them\nSee vipward "
           "--help\n";
  };
  for (const std::string& name : {std::string("master 2"), std::string("m2\tm3"), std::string(129, 'x')}) {
    CHECK(usage_error({"drain", name.c_str()})
              .ends_with("is no backend, allowed: [SERVICE/]BACKEND, as the configuration names them\nSee "
                         "vipward --help\n"));
    usage_error({"undrain", name.c_str()});
  }
  CHECK(usage_error({"drain", "master 2"}) == no_backend("master 2"));
  CHECK(usage_error({"drain", ""}) == no_backend(""));
  for (const char* duration : {"soon", "90", "0s", "999ms", "721h"}) {
    CHECK(usage_error({"drain", "m2", (std::string("--deadline=") + duration).c_str()}) ==
          "vipward: --deadline: \"" + std::string(duration) +
              "\" is not allowed, allowed: 1s to 720h, such as 90s, 5m or 1h\nSee vipward --help\n");
  }
  usage_error({"drain"});
  usage_error({"undrain"});
  usage_error({"undrain", "m2", "--deadline", "1m"});
  usage_error({"drain", "m2", "m3"});
}

TEST_CASE("what the guardian starts names everything, and an option it does not know is wrong usage") {
  const auto accept = std::get<AcceptCommand>(parse({"accept", "--config", "a.yaml", "--state", "7"}));
  CHECK(accept.config_path == "a.yaml");
  CHECK(accept.state == 7);
  CHECK(std::get<RunCommand>(parse({"run", "-c", "a.yaml", "--inherit", "9"})).inherited_state == 9);
  usage_error({"accept", "--config", "a.yaml"});
  usage_error({"accept", "--config", "a.yaml", "--state", "7", "--of-a-later-version"});
}

TEST_CASE("what makes no sense is a usage error") {
  CHECK(usage_error({}).starts_with("vipward: a command is missing\n"));
  CHECK(usage_error({"serve"}) ==
        "vipward: The following argument was not expected: serve\nSee vipward --help\n");
  CHECK(usage_error({"run", "--json"}) ==
        "vipward: The following argument was not expected: --json\nSee vipward --help\n");
  CHECK(usage_error({"run", "-c"}).find("-c") != std::string::npos);
  for (const char* duration : {"soon", "90", "0s", "999ms", "721h", "-5s"}) {
    CHECK(usage_error({"release", (std::string("--for=") + duration).c_str()}) ==
          "vipward: --for: \"" + std::string(duration) +
              "\" is not allowed, allowed: 1s to 720h, such as 90s, 5m or 1h\nSee vipward --help\n");
  }
  usage_error({"resume", "--for", "1m"});
  usage_error({"run", "a.yaml"});
  usage_error({"check", "status"});
}

TEST_CASE("help is of the command that was named") {
  const std::string general = std::get<HelpCommand>(parse({"--help"})).text;
  for (const char* command : {"run", "check", "status", "sessions", "drain", "undrain", "reload", "upgrade",
                              "release", "resume", "version"})
    CHECK(general.find(command) != std::string::npos);
  CHECK(general.find("accept") == std::string::npos);
  CHECK(general.find("inherit") == std::string::npos);
  CHECK(general.find("proxy") == std::string::npos);
  const std::string of_release = std::get<HelpCommand>(parse({"release", "--help"})).text;
  CHECK(of_release.find("--for DURATION") != std::string::npos);
  for (const char* command : {"reload", "upgrade", "drain", "undrain", "sessions"}) {
    const std::string text = std::get<HelpCommand>(parse({command, "--help"})).text;
    CHECK(text.find("--control-socket PATH") != std::string::npos);
  }
  const std::string of_status = std::get<HelpCommand>(parse({"status", "--help"})).text;
  CHECK(of_status.find("--control-socket") != std::string::npos);
  CHECK(of_status.find("/run/vipward/control.sock") != std::string::npos);
}

TEST_CASE("version prints one line") {
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_version({out, err}) == 0);
  CHECK(out.str().starts_with("vipward 0.1.0"));
  CHECK(out.str().ends_with("\n"));
}
