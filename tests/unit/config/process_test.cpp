#include <doctest/doctest.h>

#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

TEST_CASE("the daemon's own keys have the defaults of the contract") {
  const Config config = config_of(with_top_keys(""));
  CHECK_FALSE(config.vip.has_value());
  REQUIRE(config.admin.listen.size() == 1);
  CHECK(config.admin.listen[0] == SocketAddress::parse("127.0.0.1:9643"));
  CHECK(config.admin.allow.empty());
  CHECK(config.control_socket.path == "/run/vipward/control.sock");
  CHECK(config.control_socket.mode == 0600);
  CHECK_FALSE(config.control_socket.group.has_value());
  CHECK(config.user == "vipward");
  CHECK_FALSE(config.workers.has_value());
  CHECK(config.log.level == LogLevelConfig::Info);
  CHECK_FALSE(config.log.json);
}

TEST_CASE("the daemon's own keys are taken over") {
  const Config config = config_of(with_top_keys(R"(
admin: {listen: ["10.0.0.1:9643", "[::1]:9643"], allow: [10.0.0.0/8]}
control_socket: {path: /tmp/c, mode: 0660, group: adm}
user: "1000"
workers: 8
log: {level: debug, format: json}
)"));
  CHECK(config.admin.listen.size() == 2);
  CHECK(config.admin.allow.at(0).to_string() == "10.0.0.0/8");
  CHECK(config.control_socket.path == "/tmp/c");
  CHECK(config.control_socket.mode == 0660);
  CHECK(config.control_socket.group == "adm");
  CHECK(config.user == "1000");
  CHECK(config.workers == 8U);
  CHECK(config.log.level == LogLevelConfig::Debug);
  CHECK(config.log.json);
}

TEST_CASE("admin.listen is one address, a list, or nothing") {
  CHECK(config_of(with_top_keys("admin: {listen: 10.0.0.1:1}")).admin.listen.size() == 1);
  CHECK(config_of(with_top_keys("admin: {listen: []}")).admin.listen.empty());
}

TEST_CASE("a mode may be written in every way that YAML knows for octal") {
  for (const std::string mode : {"\"0640\"", "0640", "640", "0o640"}) {
    CAPTURE(mode);
    CHECK(config_of(with_top_keys("control_socket: {mode: " + mode + "}")).control_socket.mode == 0640);
  }
}

TEST_CASE("what the daemon's own keys must not say") {
  const std::vector<Case> cases{
      {"admin: {listen: localhost:9643}",
       "1:17: admin.listen: \"localhost:9643\" is not an address with a port (names are not resolved: a "
       "resolver that "
       "is down must not take the API along), allowed: 127.0.0.1:9643 or \"[::1]:9643\""},
      {"admin: {listen: [127.0.0.1:0]}",
       "1:18: admin.listen[0]: port 0 is out of range, allowed: 1 to 65535"},
      {"admin: {listen: null}", "1:17: admin.listen: must not be empty"},
      {"admin: {allow: [x]}",
       "1:17: admin.allow[0]: \"x\" is not a network, allowed: 10.0.0.0/8, fd00::/8 or a single address"},
      {"control_socket: {path: run/c}",
       "1:24: control_socket.path: \"run/c\" is not allowed, allowed: an absolute path of at most 107 bytes"},
      {"control_socket: {path: /" + std::string(107, 'a') + "}",
       "1:24: control_socket.path: \"/" + std::string(63, 'a') +
           "...\" is not allowed, allowed: an absolute path of at most 107 bytes"},
      {"control_socket: {mode: rw}",
       "1:24: control_socket.mode: \"rw\" is not an octal mode, allowed: \"0000\" to \"0777\""},
      {"control_socket: {mode: 0688}",
       "1:24: control_socket.mode: \"0688\" is not an octal mode, allowed: \"0000\" to \"0777\""},
      {"control_socket: {mode: 1777}",
       "1:24: control_socket.mode: \"1777\" is not an octal mode, allowed: \"0000\" to \"0777\""},
      {"control_socket: {group: a b}",
       "1:25: control_socket.group: \"a b\" is not a group, allowed: a name of at most 32 characters, or a "
       "numeric id"},
      {"user: \"a:b\"",
       "1:7: user: \"a:b\" is not a user, allowed: a name of at most 32 characters, or a numeric id"},
      {"workers: 0", "1:10: workers: \"0\" is not a number of workers, allowed: auto, 1 to 8"},
      {"workers: 9", "1:10: workers: \"9\" is not a number of workers, allowed: auto, 1 to 8"},
      {"workers: many", "1:10: workers: \"many\" is not a number of workers, allowed: auto, 1 to 8"},
      {"log: {level: trace}", "1:14: log.level: \"trace\" is unknown, allowed: debug, info, warn, error"},
      {"log: {format: xml}", "1:15: log.format: \"xml\" is unknown, allowed: text, json"},
      {"log: {level: [info]}", "1:14: log.level: must be a single value, not a list"},
      {"log: info", "1:6: log: must be a mapping, not a single value"},
      {"log:", "1:1: log: must not be empty"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.yaml);
    CHECK(errors_of(with_top_keys(one.yaml)) == "f:" + one.error);
  }
}

}  // namespace
}  // namespace vipward::config_test
