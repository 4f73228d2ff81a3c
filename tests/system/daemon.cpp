#include "tests/system/daemon.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <iostream>
#include <stdexcept>

#include "tests/support/wait.h"

namespace vipward::test {
namespace {

constexpr const char* kAdminAddress = "127.0.0.1:9643";

// Those that live, for the listener below.
std::vector<const Daemon*>& living_daemons() {
  static std::vector<const Daemon*> daemons;
  return daemons;
}

// Prints the end of every log at the first failed check of a test case.
class LogPrinter : public doctest::IReporter {
 public:
  explicit LogPrinter(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData&) override { printed_ = false; }
  void test_case_reenter(const doctest::TestCaseData&) override { printed_ = false; }
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& data) override {
    if (!data.m_failed || printed_) return;
    printed_ = true;
    for (const Daemon* daemon : living_daemons()) {
      std::string log = daemon->log();
      constexpr std::size_t kTail = 8000;
      if (log.size() > kTail) log.erase(0, log.size() - kTail);
      std::cout << "---- the end of vipward's log\n" << log << "----\n";
    }
  }
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  bool printed_ = false;
};
DOCTEST_REGISTER_LISTENER("vipward-log", 1, LogPrinter);

std::string indented(const ConfigText::Keys& keys, const std::string& indent) {
  std::string text;
  for (const auto& [key, value] : keys) text += indent + key + ": " + value + "\n";
  return text;
}

}  // namespace

std::string ConfigText::yaml() const {
  std::string text = "services:\n  - name: api\n" + indented(service, "    ") + "    backends:\n";
  for (const auto& [name, address] : backends) {
    text += "      - {name: " + name + ", address: \"" + address + "\"}\n";
  }
  text += "    health_check:\n" + indented(health_check, "      ");
  return text + indented(top, "");
}

ConfigText::Keys Daemon::top_keys(const TempDir& folder) {
  return {{"admin", std::string("{listen: [\"") + kAdminAddress + "\"]}"},
          {"control_socket", "{path: \"" + folder.file("control.sock") + "\"}"},
          // Whoever runs the tests has it; it owns nothing. Without root it is not asked for.
          {"user", "nobody"}};
}

const std::string& Daemon::binary() {
  static const std::string path = VIPWARD_BINARY;
  return path;
}

Daemon::Daemon(const Host& host, const TempDir& folder, const std::string& config, Process::Options options)
    : host_(host),
      control_socket_(folder.file("control.sock")),
      process_(host.spawn({binary(), "run", "-c", folder.file("vipward.yaml", config)}, std::move(options))) {
  living_daemons().push_back(this);
}

Daemon::~Daemon() {
  std::erase(living_daemons(), this);
}

HttpResponse Daemon::admin_of(const Host& host, const std::string& path) {
  return host.call([&] { return http_get({.address = *SocketAddress::parse(kAdminAddress)}, path); });
}

MetricsText Daemon::metrics() const {
  const HttpResponse response = admin("/metrics");
  if (!response.is_ok()) throw std::runtime_error("/metrics: " + describe(response));
  return MetricsText(response.body);
}

nlohmann::json Daemon::status() const {
  const CommandResult result = command({"status", "--json"});
  try {
    return nlohmann::json::parse(result.standard_output);
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error("vipward status --json: " + std::string(error.what()) + "\n" +
                             result.standard_output + result.standard_error);
  }
}

nlohmann::json Daemon::backend_status(std::string_view backend) const {
  const nlohmann::json everything = status();
  for (const nlohmann::json& service : everything.at("services")) {
    for (const nlohmann::json& entry : service.at("backends")) {
      if (entry.at("name") == backend) return entry;
    }
  }
  throw std::runtime_error("vipward status --json knows no backend " + std::string(backend));
}

std::vector<std::string> Daemon::command_line(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), binary());
  arguments.insert(arguments.end(), {"--control-socket", control_socket_});
  return arguments;
}

CommandResult Daemon::command(std::vector<std::string> arguments) const {
  return host_.run(command_line(std::move(arguments)));
}

Process Daemon::start_command(std::vector<std::string> arguments) const {
  return host_.spawn(command_line(std::move(arguments)));
}

std::string Daemon::state_of(std::string_view backend) const {
  const HttpResponse response = admin("/metrics");
  if (!response.is_ok()) return "";
  const MetricsText metrics(response.body);
  for (const char* state : {"unknown", "ready", "not_ready", "dead", "drained"}) {
    if (metrics.value("vipward_backend_state", {{"backend", backend}, {"state", state}}) == 1) return state;
  }
  return "";
}

bool Daemon::wait_for_state(std::string_view backend, std::string_view state,
                            std::chrono::milliseconds limit) const {
  return wait_until([&] { return state_of(backend) == state; }, limit);
}

bool Daemon::wait_until_ready(const std::vector<std::string>& backends,
                              std::chrono::milliseconds limit) const {
  return wait_until(
      [&] {
        return std::all_of(backends.begin(), backends.end(),
                           [&](const std::string& backend) { return state_of(backend) == "ready"; });
      },
      limit);
}

}  // namespace vipward::test
