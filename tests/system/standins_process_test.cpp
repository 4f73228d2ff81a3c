// vipward as a process: how it starts, refuses to, ends, logs, and answers its commands.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <list>

#include "tests/support/wait.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

CommandResult run_vipward(std::vector<std::string> arguments, const Process::Options& options = {}) {
  arguments.insert(arguments.begin(), Daemon::binary());
  return run_command(std::move(arguments), 20s, options);
}

TEST_CASE("SIGTERM and SIGINT end it within a second: every client is reset, exit code 0") {
  int number = 0;
  SUBCASE("SIGTERM") {
    number = SIGTERM;
  }
  SUBCASE("SIGINT") {
    number = SIGINT;
  }
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  HttpClient served = rig.client();
  REQUIRE(served.get("/whoami").is_ok());
  HttpClient watch = rig.client();
  REQUIRE(watch.open({.path = "/watch"}).status == 200);
  HttpClient silent = rig.byte_client();
  REQUIRE(silent.connect() == ClientError::None);
  REQUIRE(wait_until(
      [&] {
        return vipward.metrics().value("vipward_connections_active", {{"service", "api"}}) == 3;
      },
      5s));

  vipward.process().signal(number);
  CHECK(vipward.process().wait(1s) == 0);
  CHECK(served.wait_for_end(1s) == ClientError::Reset);
  CHECK(watch.wait_for_end(1s) == ClientError::Reset);
  CHECK(silent.wait_for_end(1s) == ClientError::Reset);
  CHECK(rig.byte_client().connect() == ClientError::Refused);
  CHECK_FALSE(std::filesystem::exists(rig.folder().file("control.sock")));
}

TEST_CASE("a bad configuration never starts, and every error of it is said") {
  Standins rig;
  ConfigText config = rig.config();
  config.service["connect"] = "{timeout: 8s, deadline: 5s}";
  config.service["balanse"] = "round_robin";
  config.health_check["rise"] = "0";
  config.backends["master-4"] = "apiserver.example:6443";
  const std::string file = rig.folder().file("bad.yaml", config.yaml());
  for (const char* command : {"run", "check"}) {
    CAPTURE(command);
    const CommandResult result = run_vipward({command, "-c", file});
    CHECK(result.exit_code == 1);
    CHECK(result.standard_output.empty());
    for (const char* path : {"services[0].connect.timeout: ", "services[0].balanse: ",
                             "services[0].health_check.rise: ", "services[0].backends[3].address: "}) {
      CHECK_MESSAGE(contains(result.standard_error, path), result.standard_error);
    }
    // FILE:LINE:COLUMN: in front of each.
    std::size_t located = 0;
    for (std::size_t at = 0; (at = result.standard_error.find(file + ":", at)) != std::string::npos; ++at)
      ++located;
    CHECK(located == 4);
  }
  CHECK(rig.byte_client().connect() == ClientError::Refused);
}

TEST_CASE("a configuration file that is missing or a folder is an error that names it") {
  const TempDir folder;
  const CommandResult missing = run_vipward({"run", "-c", folder.file("none.yaml")});
  CHECK(missing.exit_code == 1);
  CHECK(contains(missing.standard_error, folder.file("none.yaml")));
  const CommandResult directory = run_vipward({"check", "-c", folder.path()});
  CHECK(directory.exit_code == 1);
  CHECK(contains(directory.standard_error, folder.path().string()));
}

TEST_CASE("every file of config/ passes check") {
  unsigned files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("config")) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const CommandResult result = run_vipward({"check", "-c", entry.path()});
    CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
  }
  CHECK(files >= 3);
}

TEST_CASE("commands that do not exist and options that are wrong are usage errors: exit code 2") {
  CHECK(run_vipward({"serve"}).exit_code == 2);
  CHECK(run_vipward({"run", "--nonsense"}).exit_code == 2);
  CHECK(run_vipward({}).exit_code == 2);
  CHECK(run_vipward({"--help"}).exit_code == 0);
  const CommandResult version = run_vipward({"version"});
  CHECK(version.exit_code == 0);
  CHECK(contains(version.standard_output, "vipward"));
}

TEST_CASE("status says whether it is fine, in its first line and as exit code") {
  Standins rig;
  CommandResult result = run_vipward({"status", "--control-socket", rig.folder().file("control.sock")});
  CHECK(result.exit_code == 1);
  CHECK(contains(result.standard_error, rig.folder().file("control.sock")));

  Daemon& vipward = rig.start_ready_vipward();
  result = vipward.command({"status"});
  CHECK(result.exit_code == 0);
  CHECK_FALSE(result.standard_output.empty());
  for (const std::string& name : rig.names()) CHECK(contains(result.standard_output, name));
  CHECK(vipward.command({"status", "--json"}).exit_code == 0);
  CHECK(vipward.status().at("services").at(0).at("name") == "api");
  CHECK(vipward.admin("/api/v1/status").status == 200);

  for (const std::string& name : rig.names()) rig.backend(name).kill();
  for (const std::string& name : rig.names()) REQUIRE(vipward.wait_for_state(name, "dead", 10s));
  result = vipward.command({"status"});
  CHECK(result.exit_code == 1);
  CHECK(result.standard_output.substr(0, result.standard_output.find('\n')) !=
        vipward.command({"version"}).standard_output);
  CHECK(vipward.command({"status", "--json"}).exit_code == 1);
}

TEST_CASE("the control socket has the mode and the group of the configuration") {
  Standins rig;
  const std::string path = rig.folder().file("control.sock");
  struct stat status {};
  rig.start_ready_vipward();
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  // Everybody reaches the folder; the socket decides.
  std::filesystem::permissions(rig.folder().path(), std::filesystem::perms{0755});
  constexpr uid_t kNobody = 65534;
  CommandResult result = run_vipward({"status", "--control-socket", path}, {.user = kNobody});
  CHECK(result.exit_code == 1);
  CHECK_MESSAGE(contains(result.standard_error, "ermission"), result.standard_error);

  const group* nogroup = getgrnam("nogroup");
  REQUIRE(nogroup != nullptr);
  REQUIRE(nogroup->gr_gid == kNobody);
  ConfigText config = rig.config();
  config.top["user"] = "daemon";
  config.top["control_socket"] = "{path: \"" + path + "\", mode: \"0660\", group: nogroup}";
  rig.start_ready_vipward(config);
  REQUIRE(stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0660);
  CHECK(status.st_gid == nogroup->gr_gid);
  result = run_vipward({"status", "--control-socket", path}, {.user = kNobody});
  CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
}

TEST_CASE("a port or a control socket in use is a clear error, exit code 1") {
  Standins rig;
  Daemon& first = rig.start_ready_vipward();
  const TempDir folder;
  ConfigText config = rig.config();
  config.top["admin"] = "{listen: [\"127.0.0.1:9644\"]}";
  config.top["control_socket"] = "{path: \"" + folder.file("control.sock") + "\"}";
  CommandResult result = run_vipward({"run", "-c", folder.file("second.yaml", config.yaml())});
  CHECK(result.exit_code == 1);
  CHECK_MESSAGE(contains(result.standard_error, "127.0.0.1:6443"), result.standard_error);
  CHECK_MESSAGE(contains(result.standard_error, "in use"), result.standard_error);

  config = rig.config();
  config.service["listen"] = "[\"127.0.0.1:6444\"]";
  config.top["admin"] = "{listen: [\"127.0.0.1:9644\"]}";
  result = run_vipward({"run", "-c", folder.file("third.yaml", config.yaml())});
  CHECK(result.exit_code == 1);
  CHECK_MESSAGE(contains(result.standard_error, "control.sock"), result.standard_error);
  // The first one never noticed.
  CHECK(first.command({"status"}).exit_code == 0);
  CHECK(rig.ask(1).contains("reset") == false);
}

TEST_CASE("what a killed vipward left behind does not keep the next one from starting") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  HttpClient client = rig.client();
  REQUIRE(client.get("/whoami").is_ok());
  const std::vector<pid_t> proxies = children_of(vipward.pid());
  REQUIRE(proxies.size() == 1);
  vipward.process().kill();
  CHECK(client.wait_for_end(1s) == ClientError::Reset);
  CHECK(is_process_gone(proxies.front()));
  CHECK(std::filesystem::exists(rig.folder().file("control.sock")));
  rig.start_ready_vipward();
  CHECK(rig.vipward().command({"status"}).exit_code == 0);
}

TEST_CASE("without descriptors accepting pauses, says so once, and goes on by itself when clients leave") {
  Standins rig;
  ConfigText config = rig.config();
  config.service["max_connections"] = "1000";
  config.service["connect"] = "{timeout: 10s, deadline: 60s}";
  config.service["first_data_timeout"] = "60s";
  // Few checks: they need descriptors too.
  config.health_check["interval"] = "2s";
  Daemon& vipward = rig.start_ready_vipward(config, {.open_files = rlim_t{64}});
  constexpr std::size_t kClients = 200;
  std::list<HttpClient> waiting;
  for (std::size_t i = 0; i < kClients; ++i) {
    waiting.push_back(rig.byte_client(10s));
    REQUIRE(waiting.back().send_bytes("\n") == ClientError::None);
  }
  REQUIRE(vipward.process().wait_for_line("accepting pauses", 10s));

  std::size_t answered = 0;
  std::size_t reset = 0;
  std::size_t first_round = 0;
  const auto serve_some = [&] {
    std::list<HttpClient> served;
    for (auto client = waiting.begin(); client != waiting.end();) {
      const HttpClient::Line line = client->read_line(1ms);
      const auto current = client++;
      if (line.error == ClientError::Timeout) continue;
      if (line.error == ClientError::None) ++answered;
      if (line.error != ClientError::None) ++reset;
      served.splice(served.end(), waiting, current);
    }
    return served.size();
    // And here those that were served leave.
  };
  REQUIRE(wait_until([&] { return (first_round += serve_some()) > 0; }, 10s));
  CHECK(waiting.size() > kClients / 2);
  CHECK(wait_until([&] { return serve_some(), waiting.empty(); }, 30s));
  CHECK(answered == kClients);
  CHECK(reset == 0);
  CHECK(vipward.process().wait_for_line("accepting goes on", 10s));
  CHECK(rig.byte_client().send_bytes("\n") == ClientError::None);
  CHECK(rig.ask(30).size() == 3);
  // One line for a shortage, however long it lasts.
  CHECK(vipward.process().count_lines("accepting pauses") <= 3);
  CHECK(wait_until(
      [&] {
        return vipward.process().count_lines("accepting pauses") ==
               vipward.process().count_lines("accepting goes on");
      },
      10s));
  CHECK(vipward.process().count_lines("Too many open files") <= 6);
}

TEST_CASE("a log that nobody reads does not keep clients waiting") {
  Standins rig;
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const Fd unread(ends[0]);
  Fd log(ends[1]);
  REQUIRE(fcntl(log.get(), F_SETPIPE_SZ, 4096) >= 4096);
  Daemon& vipward = rig.start_ready_vipward(rig.config(), {.output = log.get()});
  log.reset();
  // Each leaves a line of more than 200 bytes.
  unsigned answered = 0;
  for (int i = 0; i < 300; ++i) {
    HttpClient client = rig.byte_client();
    if (client.send_bytes("\n") == ClientError::None && client.read_line(2s).error == ClientError::None)
      ++answered;
  }
  CHECK(answered == 300);
  CHECK(vipward.admin("/livez").status == 200);
  vipward.process().signal(SIGTERM);
  CHECK(vipward.process().wait(3s) == 0);
}

TEST_CASE("the log is JSON where that is configured, a line for every session") {
  Standins rig;
  ConfigText config = rig.config();
  config.top["log"] = "{format: json}";
  Daemon& vipward = rig.start_ready_vipward(config);
  CHECK(rig.ask(1).size() == 1);
  REQUIRE(vipward.process().wait_for_line("session ended", 5s));
  vipward.process().signal(SIGTERM);
  REQUIRE(vipward.process().wait(2s) == 0);
  unsigned sessions = 0;
  std::string log = vipward.log();
  while (!log.empty()) {
    const nlohmann::json line = nlohmann::json::parse(log.substr(0, log.find('\n')), nullptr, false);
    CHECK_MESSAGE(line.is_object(), log.substr(0, log.find('\n')));
    log.erase(0, log.find('\n') == std::string::npos ? log.size() : log.find('\n') + 1);
    if (!line.is_object() || !line.contains("backend") || !line.contains("bytes_to_client")) continue;
    ++sessions;
    for (const char* key : {"client", "own", "duration_seconds", "bytes_to_backend", "reason"}) {
      CHECK_MESSAGE(line.contains(key), key);
    }
  }
  CHECK(sessions == 1);
}

}  // namespace
}  // namespace vipward::test
