// The run command, as the built binary: what it says when it cannot start, and that it takes nothing from a
// vipward that runs already.
#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>

#include "lb/cli/control_client.h"
#include "tests/component/app/app_under_test.h"
#include "tests/component/app/reserved_port.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/prober.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Settings {
  std::string listen;
  std::string admin;
  std::string control_socket;
  std::string backend = "127.0.0.1:1";
  std::string health_check = "{protocol: tcp}";

  std::string yaml() const {
    return "services:\n  - name: api\n    listen: [\"" + listen + "\"]\n    backends: [\"" + backend +
           "\"]\n    health_check: " + health_check + "\nadmin: {listen: [\"" + admin +
           "\"]}\ncontrol_socket: {path: \"" + control_socket + "\"}\nuser: nobody\n";
  }
};

std::vector<std::string> run_with(const std::string& config_file) {
  return {VIPWARD_BINARY, "run", "-c", config_file};
}

bool wait_until_serving(Process& vipward, const ReservedPort& admin) {
  return wait_until(
             [&] {
               return !vipward.is_running() || http_get({.address = admin.address()}, "/livez").is_ok();
             },
             kPatience) &&
         vipward.is_running();
}

// The last of the lines: the log's come before it.
std::string last_line(const std::string& text) {
  if (text.size() < 2) return text;
  return text.substr(text.rfind('\n', text.size() - 2) + 1);
}

TEST_CASE("a second vipward says what it lacks and exits 1, and the first one loses not one client") {
  const TempDir folder;
  FakeServer backend({}, [](FakeConnection& connection) {
    connection.read_some();
    connection.write("1");
    connection.wait_for_close();
  });
  const ReservedPort service;
  const ReservedPort admin;
  const Settings first{.listen = service.text(),
                       .admin = admin.text(),
                       .control_socket = folder.file("control.sock"),
                       .backend = backend.address().to_string()};
  Process vipward(run_with(folder.file("first.yaml", first.yaml())));
  REQUIRE_MESSAGE(wait_until_serving(vipward, admin), vipward.output_tail());

  Settings same_socket = first;
  const ReservedPort other_service;
  const ReservedPort other_admin;
  same_socket.listen = other_service.text();
  same_socket.admin = other_admin.text();
  Settings same_port = first;
  same_port.control_socket = folder.file("other.sock");
  same_port.admin = other_admin.text();
  Settings same_admin = first;
  same_admin.control_socket = folder.file("other.sock");
  same_admin.listen = other_service.text();
  struct Attempt {
    std::string config_file;
    std::string message;
  };
  const auto in_use = [](const std::string& what) {
    return "vipward: cannot listen on " + what + ": Address already in use\n";
  };
  const std::vector<Attempt> attempts{
      {folder.file("same.yaml", first.yaml()), in_use(first.control_socket)},
      {folder.file("same_socket.yaml", same_socket.yaml()), in_use(first.control_socket)},
      {folder.file("same_port.yaml", same_port.yaml()), in_use(service.text())},
      {folder.file("same_admin.yaml", same_admin.yaml()), in_use(admin.text())}};

  Prober prober({.target = service.address(), .interval = 5ms, .limit = 5s});
  for (int round = 0; round < 3; ++round) {
    for (const Attempt& attempt : attempts) {
      CAPTURE(attempt.config_file);
      const std::uint64_t answered = prober.answered();
      const CommandResult second = run_command(run_with(attempt.config_file), 10s);
      CHECK(second.exit_code == 1);
      CHECK(last_line(second.standard_error) == attempt.message);
      // Somebody was there to be lost.
      CHECK(wait_until([&] { return prober.answered() > answered + 2; }, kPatience));
    }
  }
  prober.stop();
  CHECK(prober.failures_by_kind() == "none");
  CHECK_FALSE(fs::exists(same_port.control_socket));
  CHECK(ask_daemon(first.control_socket, "/livez").body == "ok\n");

  vipward.signal(SIGTERM);
  CHECK(vipward.wait(5s) == 0);
  CHECK_FALSE(fs::exists(first.control_socket));
}

TEST_CASE("files that are no good end it before it serves, with key and file") {
  const TempDir folder;
  const ReservedPort service;
  const ReservedPort admin;
  const std::string ca_file = folder.file("ca.crt");
  const Settings settings{.listen = service.text(),
                          .admin = admin.text(),
                          .control_socket = folder.file("control.sock"),
                          .health_check = "{tls: {ca_file: \"" + ca_file + "\"}}"};
  const std::string config_file = folder.file("vipward.yaml", settings.yaml());
  std::string message;
  bool guardian_sees_it = false;
  SUBCASE("missing") {
    guardian_sees_it = true;
    message = "api.health_check.tls.ca_file: " + ca_file + ": No such file or directory";
  }
  SUBCASE("not PEM") {
    folder.file("ca.crt", "no certificate\n");
    message = "api.health_check: ca_file: holds no certificate in PEM form (" + ca_file + ")";
  }
  const CommandResult result = run_command(run_with(config_file), 10s);
  CAPTURE(result.standard_error);
  CHECK(result.exit_code == 1);
  // On a line of its own; the log's lines come when they come.
  CHECK(("\n" + result.standard_error).find("\n" + message + "\n") != std::string::npos);
  // What is in a file the proxy finds out, which the guardian starts once it listens.
  if (guardian_sees_it) CHECK(result.standard_error.find("listening") == std::string::npos);
  CHECK_FALSE(fs::exists(settings.control_socket));
}

TEST_CASE("the control socket's folder is made, its file goes at the end, a dead one's file is replaced") {
  const TempDir folder;
  const ReservedPort service;
  const ReservedPort admin;
  const Settings settings{
      .listen = service.text(), .admin = admin.text(), .control_socket = folder.file("run/control.sock")};
  const std::string config_file = folder.file("vipward.yaml", settings.yaml());
  {
    Process vipward(run_with(config_file));
    REQUIRE_MESSAGE(wait_until_serving(vipward, admin), vipward.output_tail());
    CHECK(fs::is_socket(settings.control_socket));
    const std::vector<pid_t> proxies = children_of(vipward.pid());
    REQUIRE(proxies.size() == 1);
    vipward.kill();
    CHECK(is_process_gone(proxies.front()));
  }
  REQUIRE(fs::is_socket(settings.control_socket));
  Process vipward(run_with(config_file));
  REQUIRE_MESSAGE(wait_until_serving(vipward, admin), vipward.output_tail());
  CHECK(ask_daemon(settings.control_socket, "/livez").body == "ok\n");
  vipward.signal(SIGINT);
  CHECK(vipward.wait(5s) == 0);
  CHECK(vipward.count_lines("stopping, every client is reset signal=SIGINT") == 1);
  CHECK_FALSE(fs::exists(settings.control_socket));
  CHECK(fs::is_directory(folder.file("run")));
}

TEST_CASE("an address that is not on this host is listened on, with a warning") {
  const TempDir folder;
  const ReservedPort service("192.0.2.10");
  const ReservedPort admin;
  const Settings settings{
      .listen = service.text(), .admin = admin.text(), .control_socket = folder.file("control.sock")};
  Process vipward(run_with(folder.file("vipward.yaml", settings.yaml())));
  REQUIRE_MESSAGE(wait_until_serving(vipward, admin), vipward.output_tail());
  CHECK(vipward.wait_for_line("info  listening service=api address=" + service.text(), kPatience));
  CHECK(
      vipward.wait_for_line("warn  this host does not have the address now, clients arrive once it does "
                            "address=" +
                                service.text(),
                            kPatience));
  CHECK(vipward.count_lines("warn  this host does not have") == 1);
  vipward.signal(SIGTERM);
  CHECK(vipward.wait(5s) == 0);
}

}  // namespace
}  // namespace vipward::test
