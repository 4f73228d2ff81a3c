#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "lb/cli/commands.h"

using namespace vipward;

namespace {

class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    REQUIRE(mkdtemp(folder_.data()) != nullptr);
    path = folder_ + "/vipward.yaml";
    std::ofstream(path) << text;
  }
  ~ConfigFile() { std::filesystem::remove_all(folder_); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  std::string path;

 private:
  std::string folder_ = "/tmp/vipward-unit-cli-XXXXXX";
};

struct Outcome {
  int exit_code;
  std::string out;
  std::string err;
};

Outcome check(const std::string& path) {
  std::ostringstream out;
  std::ostringstream err;
  const int exit_code = run_check({.config_path = path}, {out, err});
  return {exit_code, out.str(), err.str()};
}

const std::string kGood =
    "services:\n"
    "  - name: kube-apiserver\n"
    "    listen: [127.0.0.1:6443]\n"
    "    backends: [10.0.0.11:6443, 10.0.0.12:6443, 10.0.0.13:6443]\n"
    "    health_check: {protocol: tcp}\n";

}  // namespace

TEST_CASE("check says in one line that a configuration is good") {
  const ConfigFile file(kGood);
  const Outcome outcome = check(file.path);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.out == file.path + ": ok: 1 service, 3 backends\n");
  CHECK(outcome.err == "");
}

TEST_CASE("check says every error and fails") {
  const ConfigFile file(kGood + "workrs: 2\nlog: {level: loud}\n");
  const Outcome outcome = check(file.path);
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.out == "");
  CHECK(outcome.err.find(file.path + ":6:1: ") != std::string::npos);
  CHECK(outcome.err.find(file.path + ":7:") != std::string::npos);
}

TEST_CASE("check warns of a password that it cannot read") {
  const ConfigFile file(kGood +
                        "vip: {addresses: [10.0.0.100/24], version: 2, v2_password_file: /nonexistent}\n");
  const Outcome outcome = check(file.path);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err == file.path +
                           ": vip.v2_password_file: warning: cannot read /nonexistent: No such file or "
                           "directory\n");
}

TEST_CASE("check refuses a password that run would refuse") {
  const ConfigFile password("123456789\n");
  const ConfigFile file(
      kGood + "vip: {addresses: [10.0.0.100/24], version: 2, v2_password_file: " + password.path + "}\n");
  const Outcome outcome = check(file.path);
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.out == "");
  CHECK(outcome.err ==
        file.path + ": vip.v2_password_file: " + password.path +
            " is longer than the field, and keepalived cuts it off after 8 bytes, allowed: 1 to "
            "8 bytes, and a newline\n");
}

TEST_CASE("check warns of a control socket that is open to everybody") {
  for (const std::string mode : {"0666", "0602", "0777"}) {
    const ConfigFile file(kGood + "control_socket: {mode: \"" + mode + "\"}\n");
    const Outcome outcome = check(file.path);
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.err ==
          file.path +
              ": control_socket.mode: warning: it lets everybody command vipward: `run` refuses "
              "it as root\n");
  }
  const ConfigFile file(kGood + "control_socket: {mode: \"0665\"}\n");
  CHECK(check(file.path).err == "");
}

TEST_CASE("check warns of files that cannot be read") {
  ConfigFile file(
      "services:\n"
      "  - listen: [127.0.0.1:6443]\n"
      "    backends: [10.0.0.11:6443]\n"
      "    health_check: {tls: {ca_file: /nonexistent/ca.crt}}\n");
  const Outcome outcome = check(file.path);
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err ==
        file.path +
            ": services[0].health_check.tls.ca_file: warning: cannot read /nonexistent/ca.crt: No such "
            "file or directory\n");
}

TEST_CASE("check warns of a file that is a folder") {
  ConfigFile file(
      "services:\n"
      "  - listen: [127.0.0.1:6443]\n"
      "    backends: [10.0.0.11:6443]\n"
      "    health_check: {bearer_token_file: /dev/null, tls: {ca_file: /tmp}}\n");
  const Outcome outcome = check(file.path);
  CHECK(outcome.exit_code == 0);
  const std::string prefix = file.path + ": services[0].health_check.";
  CHECK(outcome.err == prefix + "tls.ca_file: warning: cannot read /tmp: not a regular file\n" + prefix +
                           "bearer_token_file: warning: cannot read /dev/null: not a regular file\n");
}

TEST_CASE("check of a file that is not there fails") {
  const Outcome outcome = check("/nonexistent/vipward.yaml");
  CHECK(outcome.exit_code == 1);
  CHECK(outcome.err.find("/nonexistent/vipward.yaml") != std::string::npos);
}
