#include "tests/system/served_folder.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>

#include "lb/net/socket.h"
#include "tests/support/free_port.h"
#include "tests/support/wait.h"
#include "tests/system/daemon.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

}  // namespace

ServedFolder::ServedFolder() : address_(free_port()), another_address_(free_port()), admin_(free_port()) {
  for (int i = 0; i < 2; ++i)
    backends_.push_back(std::make_unique<TrafficBackend>(*SocketAddress::parse("127.0.0.1:0")));
  exchange_binary();
  write_config(
      "services:\n  - name: api\n    listen: [\"" + address_.to_string() +
      "\"]\n    access_log: false\n    first_data_timeout: 60s\n    drain: {timeout: 2s}\n"
      "    health_check: {protocol: tcp, interval: 100ms}\n    backends:\n      - {name: a, address: \"" +
      backends_[0]->address().to_string() + "\"}\n      - {name: b, address: \"" +
      backends_[1]->address().to_string() + "\"}\nadmin: {listen: [\"" + admin_.to_string() +
      "\"]}\ncontrol_socket: {path: \"" + folder_.file("control.sock") + "\"}\nuser: nobody\n");
  start();
}

void ServedFolder::start() {
  process_ = std::make_unique<Process>(std::vector<std::string>{binary(), "run", "--config", config_file()});
  REQUIRE_MESSAGE(wait_until([this] { return command({"status"}).exit_code == 0; }, 20s), log());
}

void ServedFolder::stop_and_start() {
  process_->signal(SIGTERM);
  REQUIRE(process_->wait(20s) == 0);
  start();
}

void ServedFolder::write_config(const std::string& text) {
  config_ = text;
  write_file(config_file(), text);
}

void ServedFolder::change(const std::string& part, const std::string& by) {
  write_config(replaced(config_, part, by));
}

void ServedFolder::exchange_binary(const std::string& path) {
  namespace fs = std::filesystem;
  const std::string next = folder_.file("vipward.new");
  fs::copy_file(path.empty() ? Daemon::binary() : path, next);
  fs::permissions(next, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec |
                            fs::perms::group_read | fs::perms::others_read);
  fs::rename(next, binary());
}

std::vector<std::string> ServedFolder::command_line(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), Daemon::binary());
  arguments.insert(arguments.end(), {"--control-socket", folder_.file("control.sock")});
  return arguments;
}

CommandResult ServedFolder::command(std::vector<std::string> arguments) const {
  return run_command(command_line(std::move(arguments)), 70s);
}

Process ServedFolder::start_command(std::vector<std::string> arguments) const {
  return Process(command_line(std::move(arguments)));
}

std::string ServedFolder::must(std::vector<std::string> arguments) const {
  const CommandResult result = command(std::move(arguments));
  REQUIRE_MESSAGE(result.exit_code == 0, result.standard_error, log());
  return result.standard_output;
}

pid_t ServedFolder::proxy() const {
  const std::vector<pid_t> children = children_of(guardian());
  REQUIRE_MESSAGE(children.size() == 1, log());
  return children.front();
}

double ServedFolder::metric(std::string_view name, MetricsText::Labels labels) const {
  const HttpResponse response = http_get({.address = admin_}, "/metrics");
  REQUIRE(response.is_ok());
  const auto value = MetricsText(response.body).value(name, labels);
  REQUIRE_MESSAGE(value, std::string(name));
  return *value;
}

}  // namespace vipward::test
