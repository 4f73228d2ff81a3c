// `vipward run` as a user starts it, in a host, and what a user sees of it: metrics, status, log, exit code.
// When a check of doctest fails while it lives, the end of its log is printed. Test's main thread.
#pragma once

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/http_client.h"
#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/system/metrics_text.h"

namespace vipward::test {

// A configuration of one service, "api". Keys are written as given: {"connect", "{timeout: 1s, deadline:
// 2s}"}.
struct ConfigText {
  using Keys = std::map<std::string, std::string>;
  Keys service{};       // of services[0], besides backends and health_check
  Keys backends{};      // name -> address
  Keys health_check{};  // of services[0].health_check
  Keys top{};           // admin, control_socket, log ...

  std::string yaml() const;
};

class Daemon {
 public:
  // Writes the configuration into `folder` and starts vipward; does not wait until it serves.
  Daemon(const Host& host, const TempDir& folder, const std::string& config, Process::Options options = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  static const std::string& binary();
  // Where every test has them; `config` says so.
  static ConfigText::Keys top_keys(const TempDir& folder);
  // Of the one that runs in `host` with them. Any thread.
  static HttpResponse admin_of(const Host& host, const std::string& path);

  Process& process() { return process_; }
  pid_t pid() const { return process_.pid(); }
  std::string log() const { return process_.standard_error(); }
  // Of the admin address, plain HTTP.
  HttpResponse admin(const std::string& path) const { return admin_of(host_, path); }
  MetricsText metrics() const;
  // `vipward status --json`; throws if that is not JSON.
  nlohmann::json status() const;
  nlohmann::json backend_status(std::string_view backend) const;
  // `vipward ARGUMENTS --control-socket PATH`.
  CommandResult command(std::vector<std::string> arguments) const;
  Process start_command(std::vector<std::string> arguments) const;

  // By the metric backend_state; "" if vipward does not answer.
  std::string state_of(std::string_view backend) const;
  bool wait_for_state(std::string_view backend, std::string_view state,
                      std::chrono::milliseconds limit) const;
  // All of `backends` are ready.
  bool wait_until_ready(const std::vector<std::string>& backends, std::chrono::milliseconds limit) const;

 private:
  std::vector<std::string> command_line(std::vector<std::string> arguments) const;

  Host host_;
  std::string control_socket_;
  Process process_;
};

}  // namespace vipward::test
