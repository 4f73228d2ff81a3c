// `vipward run` from a folder of its own: the binary is a copy that can be exchanged, the configuration a
// file that can be changed, on this machine's loopback, in front of two backends that every byte can be told
// of. Test's main thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/http_client.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/traffic.h"
#include "tests/system/metrics_text.h"

namespace vipward::test {

class ServedFolder {
 public:
  // Serves, with both backends ready.
  ServedFolder();
  ServedFolder(const ServedFolder&) = delete;
  ServedFolder& operator=(const ServedFolder&) = delete;

  const SocketAddress& address() const { return address_; }
  const SocketAddress& another_address() const { return another_address_; }
  const SocketAddress& admin() const { return admin_; }
  const std::string& config() const { return config_; }
  // Their names, as vipward was started with them.
  std::string config_file() const { return folder_.file("vipward.yaml"); }
  std::string binary() const { return folder_.file("vipward"); }
  TrafficBackend& backend(std::size_t i) { return *backends_[i]; }
  pid_t guardian() const { return process_->pid(); }
  std::string log() const { return process_->standard_error(); }
  Process& process() { return *process_; }

  // Replaces a part of the configuration on disk; the part must be there.
  void change(const std::string& part, const std::string& by);
  void write_config(const std::string& text);
  // Another file under the binary's name: the same program again, or what is in `path`.
  void exchange_binary(const std::string& path = {});
  // `vipward ARGUMENTS --control-socket ...`, by the binary that was built.
  CommandResult command(std::vector<std::string> arguments) const;
  Process start_command(std::vector<std::string> arguments) const;
  // A command that has to work.
  std::string must(std::vector<std::string> arguments) const;
  void stop_and_start();

  // The one that serves; fails the test if there is not exactly one child.
  pid_t proxy() const;
  double metric(std::string_view name, MetricsText::Labels labels = {}) const;

 private:
  void start();
  std::vector<std::string> command_line(std::vector<std::string> arguments) const;

  TempDir folder_;
  SocketAddress address_;
  SocketAddress another_address_;
  SocketAddress admin_;
  std::vector<std::unique_ptr<TrafficBackend>> backends_;
  std::string config_;
  std::unique_ptr<Process> process_;
};

}  // namespace vipward::test
