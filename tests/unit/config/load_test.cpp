#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

namespace fs = std::filesystem;

// A folder that goes with the test.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "vipward-config-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string file_errors(const std::string& path) {
  const auto result = load_config_file(path);
  CHECK_FALSE(result.config.has_value());
  return joined(result.errors);
}

TEST_CASE("what is not a readable regular file is refused at once") {
  const Folder folder;
  CHECK(file_errors(folder.file("none")) ==
        folder.file("none") + ": cannot read the file: No such file or directory");
  CHECK(file_errors(folder.file("")) == folder.file("") + ": cannot read the file: Is a directory");
  REQUIRE(mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK(file_errors(folder.file("fifo")) == folder.file("fifo") + ": not a regular file");
  CHECK(file_errors("/dev/zero") == "/dev/zero: not a regular file");
  CHECK(file_errors("") == ": cannot read the file: No such file or directory");
  fs::create_symlink(folder.file("loop"), folder.file("loop"));
  CHECK(file_errors(folder.file("loop")) ==
        folder.file("loop") + ": cannot read the file: Too many levels of symbolic links");
}

// What load_config_file() says to somebody without rights: root may read everything, so it asks in a child
// that is nobody (65534).
std::string unprivileged_errors(const std::string& path) {
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    const bool dropped = geteuid() != 0 || setresuid(kNobody, kNobody, kNobody) == 0;
    const std::string said = dropped ? joined(load_config_file(path).errors) : "cannot become nobody";
    _exit(write(pipe_ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()) ? 0 : 1);
  }
  close(pipe_ends[1]);
  std::string said;
  std::array<char, 1024> chunk{};
  for (ssize_t size = 0; (size = read(pipe_ends[0], chunk.data(), chunk.size())) > 0;)
    said.append(chunk.data(), static_cast<std::size_t>(size));
  close(pipe_ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  return said;
}

TEST_CASE("a file that may not be read says so") {
  const Folder folder;
  const std::string path = folder.file("secret");
  std::ofstream(path) << "services: []";
  // Nobody may go through the folder, so that it is the file that is refused.
  REQUIRE(chmod(folder.file("").c_str(), 0755) == 0);
  CHECK(unprivileged_errors(path).starts_with(path + ":1:11: services: must not be empty"));
  REQUIRE(chmod(path.c_str(), 0) == 0);
  CHECK(unprivileged_errors(path) == path + ": cannot read the file: Permission denied");
}

TEST_CASE("a file of 50 MB is refused without being read") {
  const Folder folder;
  const std::string path = folder.file("huge");
  std::ofstream(path) << "services: [";
  fs::resize_file(path, 50'000'000);
  const auto start = std::chrono::steady_clock::now();
  CHECK(file_errors(path) == path + ": the file is too large, at most 1 MiB is allowed");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{1});
}

TEST_CASE("a file's errors carry its name") {
  const Folder folder;
  const std::string path = folder.file("vipward.yaml");
  std::ofstream(path) << with_service_keys("connect: {timeout: 8s}");
  CHECK(file_errors(path) ==
        path + ":5:24: services[0].connect.timeout: 8s must not exceed connect.deadline (5s)");
}

std::string list_of(int count, const std::string& item) {
  std::string text = "[";
  for (int i = 0; i < count; ++i) text += item + std::to_string(i) + ", ";
  return text + "]";
}

TEST_CASE("lists whose entries are compared with each other are limited") {
  CHECK(errors_of("services: " + list_of(257, "a")) == "f:1:11: services: 257 entries, allowed: at most 256");
  CHECK(errors_of("services: [{listen: " + list_of(65, "10.0.0.1:") +
                  ", backends: [10.0.0.11:1], health_check: {protocol: tcp}}]") ==
        "f:1:21: services[0].listen: 65 entries, allowed: at most 64");
  CHECK(errors_of("services: [{backends: " + list_of(257, "10.0.0.1:") +
                  ", listen: 10.0.0.11:1, health_check: {protocol: tcp}}]") ==
        "f:1:23: services[0].backends: 257 entries, allowed: at most 256");
  CHECK(errors_of(with_top_keys("admin: {listen: " + list_of(65, "10.0.0.1:") + "}")) ==
        "f:1:17: admin.listen: 65 entries, allowed: at most 64");
  CHECK(errors_of(with_top_keys("vip: {addresses: " + list_of(65, "10.0.0.") + "}")) ==
        "f:1:18: vip.addresses: 65 entries, allowed: at most 64");
  const std::string vip = "vip: {addresses: [10.0.0.1], ";
  CHECK(errors_of(with_top_keys(vip + "peers: " + list_of(65, "10.0.0.") + "}")) ==
        "f:1:37: vip.peers: 65 entries, allowed: at most 64");
  CHECK(errors_of(with_top_keys(vip + "track_interfaces: " + list_of(65, "e") + "}")) ==
        "f:1:48: vip.track_interfaces: 65 entries, allowed: at most 64");
}

TEST_CASE("the hash follows the text, every byte of it") {
  const std::string text = with_service_keys("");
  CHECK(config_of(text).hash.size() == 16);
  CHECK(config_of(text).hash == config_of(text).hash);
  CHECK(config_of(text).hash != config_of(text + "#").hash);
  // FNV-1a, 64 bits, from an implementation of its own.
  CHECK(config_of(text).hash == "5048cca26b149839");
}

TEST_CASE("all errors are said at once, in the order of the file") {
  const auto result = parse_config(R"(log: {level: loud}
services:
  - name: kube
    listn: 10.0.0.100:6443
    backends: [10.0.0.11:6443, {name: b, address: master:6443, weight: 0}, 10.0.0.11:6443]
    connect: {timeout: 8s}
    health_check:
      protocol: tpc
      tls:
  - listen: [0.0.0.0:9643, 10.0.0.1:9643]
    backends: [127.0.0.1:9643]
    health_check: {protocol: tcp, paths: [/]}
    zzzzzzz: 1
admin:
  lisden: []
wrokers: 2
workers: 65
)",
                                   "vipward.yaml");
  CHECK_FALSE(result.config.has_value());
  const std::vector<std::string> expected{
      "vipward.yaml:1:14: log.level: \"loud\" is unknown, allowed: debug, info, warn, error",
      "vipward.yaml:3:5: services[0].listen: required, allowed: 10.0.0.100:6443, \"[fd00::100]:6443\" or "
      "vip:6443, or "
      "a list of them",
      "vipward.yaml:4:5: services[0].listn: unknown key, did you mean listen?",
      "vipward.yaml:5:51: services[0].backends[1].address: \"master:6443\" is not an address with a port "
      "(names are "
      "not resolved: a resolver that is down must not take the API along), allowed: 10.0.0.11:6443 or "
      "\"[fd00::11]:6443\"",
      "vipward.yaml:5:72: services[0].backends[1].weight: 0 is out of range, allowed: 1 to 1000",
      "vipward.yaml:5:76: services[0].backends[2]: 10.0.0.11:6443 is the address of services[0].backends[0] "
      "already",
      "vipward.yaml:6:24: services[0].connect.timeout: 8s must not exceed connect.deadline (5s)",
      "vipward.yaml:8:17: services[0].health_check.protocol: \"tpc\" is unknown, allowed: https, http, tls, "
      "tcp",
      "vipward.yaml:9:7: services[0].health_check.tls: must not be empty",
      "vipward.yaml:10:14: services[1].listen[0]: 0.0.0.0:9643 clashes with 127.0.0.1:9643 (admin.listen, by "
      "default)",
      "vipward.yaml:11:16: services[1].backends[0]: 127.0.0.1:9643 is where services[1] itself listens: its "
      "sessions "
      "would go round in a loop",
      "vipward.yaml:12:42: services[1].health_check.paths: has no effect with protocol tcp, allowed with: "
      "https, http",
      "vipward.yaml:13:5: services[1].zzzzzzz: unknown key, allowed: name, listen, balance, backends, "
      "health_check, "
      "connect, first_data_timeout, keepalive, tcp_user_timeout, idle_timeout, half_close_timeout, drain, "
      "when_none_ready, max_connections, allow, access_log",
      "vipward.yaml:15:3: admin.lisden: unknown key, did you mean listen?",
      "vipward.yaml:16:1: wrokers: unknown key, did you mean workers?",
      "vipward.yaml:17:10: workers: \"65\" is not a number of workers, allowed: auto, 1 to 8",
  };
  CHECK(result.errors.size() == expected.size());
  for (std::size_t i = 0; i < std::min(result.errors.size(), expected.size()); ++i) {
    CHECK(result.errors[i] == expected[i]);
  }
}

TEST_CASE("a misspelt key is met with the nearest one, or with all of them") {
  const std::vector<Case> cases{
      {"servics: 1", "servics: unknown key, did you mean services?"},
      {"Log: 1", "Log: unknown key, did you mean log?"},
      {"lgo: 1", "lgo: unknown key, did you mean log?"},
      {"vpi: 1", "vpi: unknown key, did you mean vip?"},
      {"controlSocket: 1", "controlSocket: unknown key, did you mean control_socket?"},
      {"control-socket: 1", "control-socket: unknown key, did you mean control_socket?"},
      {"frontend: 1",
       "frontend: unknown key, allowed: services, vip, admin, control_socket, user, workers, log"},
      {"\"\\e[2J\": 1",
       "\"\\x1b[2J\": unknown key, allowed: services, vip, admin, control_socket, user, workers, log"},
      {"\"\": 1", "\"\": unknown key, allowed: services, vip, admin, control_socket, user, workers, log"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.yaml);
    CHECK(errors_of(with_top_keys(one.yaml)) == "f:1:1: " + one.error);
  }
}

TEST_CASE("a text quoted in an error is short and harmless") {
  CHECK(errors_of(with_top_keys("log: {level: " + std::string(100, 'a') + "}")) ==
        "f:1:14: log.level: \"" + std::string(64, 'a') +
            "...\" is unknown, allowed: debug, info, warn, error");
  CHECK(errors_of(with_top_keys("log: {level: " + std::string(63, 'a') + "\xc3\xa4" + "}")) ==
        "f:1:14: log.level: \"" + std::string(63, 'a') +
            "...\" is unknown, allowed: debug, info, warn, error");
  CHECK(errors_of(with_top_keys("log: {level: 'a\"\\b\xc2\x9b'}")) ==
        "f:1:14: log.level: \"a\\\"\\\\b\xc2\\x9b\" is unknown, allowed: debug, info, warn, error");
}

TEST_CASE("top-level keys that begin with x- are nobody's business, others are not spared") {
  CHECK(errors_of(with_top_keys("x-anything: [1, {a: b}]\nx-: null")).empty());
  CHECK(errors_of(with_top_keys("log: {x-a: 1}")) == "f:1:7: log.x-a: unknown key, allowed: level, format");
}

// The tests run in the repository's top folder.
TEST_CASE("the example files load") {
  for (const std::string name : {"minimal", "full", "rke2", "vip"}) {
    CAPTURE(name);
    const auto result = load_config_file("config/" + name + ".yaml");
    CHECK(joined(result.errors).empty());
    CHECK(result.config.has_value());
  }
}

TEST_CASE("the example for two hosts has its port on the address, and both hosts as peers") {
  const Config config = load_config_file("config/vip.yaml").config.value();
  CHECK_FALSE(config.services.at(0).listen.at(0).address.has_value());
  CHECK(config.vip.value().peers.size() == 2);
}

TEST_CASE("the full example shows the defaults") {
  const auto result = load_config_file("config/full.yaml");
  CHECK(joined(result.errors).empty());
  REQUIRE(result.config.has_value());
  const Config& full = *result.config;
  REQUIRE(full.vip.has_value());
  const std::string shortest =
      "services:\n- name: kube-apiserver\n  listen: 10.0.0.100:6443\n  backends:\n"
      "  - {name: master-1, address: 10.0.0.11:6443}\n  - {name: master-2, address: 10.0.0.12:6443}\n"
      "  - 10.0.0.13:6443\n  health_check: {tls: {ca_file: /etc/vipward/ca.crt}}\n"
      "vip: {addresses: [10.0.0.100/24], peers: [10.0.0.21, 10.0.0.22]}\n";
  Config defaults = config_of(shortest);
  defaults.hash = full.hash;
  CHECK(full == defaults);
}

}  // namespace
}  // namespace vipward::config_test
