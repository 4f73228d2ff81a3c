#include <doctest/doctest.h>

#include <stdexcept>

#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the shortest service gets every default of the contract") {
  const Config config = config_of(
      "services: [{listen: 10.0.0.100:6443, backends: [10.0.0.11:6443], health_check: {tls: {ca_file: "
      "/ca}}}]");
  REQUIRE(config.services.size() == 1);
  const ServiceConfig& service = config.services[0];
  CHECK(service.name == "service-1");
  REQUIRE(service.listen.size() == 1);
  CHECK(service.listen[0].address == SocketAddress::parse("10.0.0.100:6443"));
  CHECK(service.listen[0].port == 6443);
  CHECK(service.balance == BalanceAlgorithm::LeastConnections);
  REQUIRE(service.backends.size() == 1);
  CHECK(service.backends[0].name == "10.0.0.11:6443");
  CHECK(service.backends[0].address == SocketAddress::parse("10.0.0.11:6443"));
  CHECK(service.backends[0].weight == 1);
  CHECK(service.connect_timeout == 1500ms);
  CHECK(service.connect_deadline == 5s);
  CHECK(service.first_data_timeout == 10s);
  CHECK(service.keepalive.idle == 10s);
  CHECK(service.keepalive.interval == 5s);
  CHECK(service.keepalive.count == 3);
  CHECK(service.tcp_user_timeout == 0s);
  CHECK(service.idle_timeout == 0s);
  CHECK(service.half_close_timeout == 60s);
  CHECK(service.drain_timeout == 130s);
  CHECK(service.when_none_ready == WhenNoneReady::FailOpen);
  CHECK(service.max_connections == 0);
  CHECK(service.allow.empty());
  CHECK(service.access_log);
}

TEST_CASE("every key of a service is taken over") {
  const Config config = config_of(R"(
services:
  - name: api
    listen: ["10.0.0.100:6443", "[fd00::100]:6443"]
    balance: round_robin
    backends:
      - {name: one, address: "[fd00::11]:6443", weight: 7}
      - {address: 10.0.0.12:6443}
      - "[FD00::13]:6443"
    health_check: {protocol: tcp}
    connect: {timeout: 1s, deadline: 2s}
    first_data_timeout: 3s
    keepalive: {idle: 32767s, interval: 1s, count: 127}
    tcp_user_timeout: 30s
    idle_timeout: 5m
    half_close_timeout: 4s
    drain: {timeout: 0s}
    when_none_ready: refuse
    max_connections: 1000000
    allow: [10.0.0.0/8, "fd00::/8", 192.0.2.1]
    access_log: false
)");
  const ServiceConfig& service = config.services.at(0);
  CHECK(service.name == "api");
  CHECK(service.listen.at(1).address == SocketAddress::parse("[fd00::100]:6443"));
  CHECK(service.balance == BalanceAlgorithm::RoundRobin);
  CHECK(service.backends.at(0).name == "one");
  CHECK(service.backends.at(0).weight == 7);
  CHECK(service.backends.at(1).name == "10.0.0.12:6443");
  CHECK(service.backends.at(2).name == "[fd00::13]:6443");
  CHECK(service.connect_timeout == 1s);
  CHECK(service.connect_deadline == 2s);
  CHECK(service.first_data_timeout == 3s);
  CHECK(service.keepalive.idle == 32767s);
  CHECK(service.keepalive.interval == 1s);
  CHECK(service.keepalive.count == 127);
  CHECK(service.tcp_user_timeout == 30s);
  CHECK(service.idle_timeout == 5min);
  CHECK(service.half_close_timeout == 4s);
  CHECK(service.drain_timeout == 0s);
  CHECK(service.when_none_ready == WhenNoneReady::Refuse);
  CHECK(service.max_connections == 1000000);
  REQUIRE(service.allow.size() == 3);
  CHECK(service.allow[2].to_string() == "192.0.2.1/32");
  CHECK_FALSE(service.access_log);
}

TEST_CASE("first_data_timeout may be off, also as YAML 1.1 tools write it") {
  for (const std::string off : {"off", "false", "\"off\""}) {
    CAPTURE(off);
    const Config config = config_of(with_service_keys("first_data_timeout: " + off));
    CHECK_FALSE(config.services.at(0).first_data_timeout.has_value());
  }
}

TEST_CASE("the default of connect.timeout is never longer than the deadline") {
  const Config config = config_of(with_service_keys("connect: {deadline: 1s}"));
  CHECK(config.services.at(0).connect_timeout == 1s);
}

TEST_CASE("what a single key of a service must not say") {
  const std::vector<Case> cases{
      {"connect: {timeout: 8s}",
       "5:24: services[0].connect.timeout: 8s must not exceed connect.deadline (5s)"},
      {"connect: {timeout: 8s, deadline: 1500ms}",
       "5:24: services[0].connect.timeout: 8s must not exceed connect.deadline (1500ms)"},
      {"connect: {timeout: 1}",
       "5:24: services[0].connect.timeout: \"1\" is not a duration such as 250ms, 10s, 5m or 1h, allowed: "
       "10ms to 10m"},
      {"connect: {timeout: 9ms, deadline: 11m}",
       "5:24: services[0].connect.timeout: 9ms is out of range, allowed: 10ms to 10m\n"
       "f:5:39: services[0].connect.deadline: 11m is out of range, allowed: 10ms to 10m"},
      {"connect: 5s", "5:14: services[0].connect: must be a mapping, not a single value"},
      {"connect:", "5:5: services[0].connect: must not be empty"},
      {"connect: {timeout: [1s]}", "5:24: services[0].connect.timeout: must be a single value, not a list"},
      {"first_data_timeout: never",
       "5:25: services[0].first_data_timeout: \"never\" is not a duration such as 250ms, 10s, 5m or 1h, "
       "allowed: off, "
       "10ms to 24h"},
      {"first_data_timeout: 0s",
       "5:25: services[0].first_data_timeout: 0s is out of range, allowed: off, 10ms to 24h"},
      {"keepalive: {idle: 1500ms, interval: 0s, count: 128}",
       "5:23: services[0].keepalive.idle: 1500ms is not a multiple of 1s, allowed: 1s to 32767s in steps of "
       "1s\n"
       "f:5:41: services[0].keepalive.interval: 0s is out of range, allowed: 1s to 32767s in steps of 1s\n"
       "f:5:52: services[0].keepalive.count: 128 is out of range, allowed: 1 to 127"},
      {"tcp_user_timeout: 1ms",
       "5:23: services[0].tcp_user_timeout: 1ms is out of range, allowed: 0s, 10ms to 24h"},
      {"idle_timeout: 721h",
       "5:19: services[0].idle_timeout: 721h is out of range, allowed: 0s, 10ms to 720h"},
      {"half_close_timeout: 0s",
       "5:25: services[0].half_close_timeout: 0s is out of range, allowed: 10ms to 720h"},
      {"drain: {timeout: -1s}",
       "5:22: services[0].drain.timeout: \"-1s\" is not a duration such as 250ms, 10s, 5m or 1h, allowed: "
       "0s, 10ms to "
       "720h"},
      {"balance: random",
       "5:14: services[0].balance: \"random\" is unknown, allowed: least_connections, round_robin"},
      {"when_none_ready: open",
       "5:22: services[0].when_none_ready: \"open\" is unknown, allowed: fail_open, refuse"},
      {"max_connections: 1000001",
       "5:22: services[0].max_connections: 1000001 is out of range, allowed: 0 to 1000000"},
      {"max_connections: -1", "5:22: services[0].max_connections: -1 is out of range, allowed: 0 to 1000000"},
      {"max_connections: 010",
       "5:22: services[0].max_connections: \"010\" is not a whole number, allowed: 0 to 1000000"},
      {"max_connections: 99999999999999999999",
       "5:22: services[0].max_connections: \"99999999999999999999\" is not a whole number, allowed: 0 to "
       "1000000"},
      {"allow: [10.0.0.0/33, office]",
       "5:13: services[0].allow[0]: \"10.0.0.0/33\" is not a network, allowed: 10.0.0.0/8, fd00::/8 or a "
       "single "
       "address\n"
       "f:5:26: services[0].allow[1]: \"office\" is not a network, allowed: 10.0.0.0/8, fd00::/8 or a single "
       "address"},
      {"allow: 10.0.0.0/8", "5:12: services[0].allow: must be a list, not a single value"},
      {"access_log: yes", "5:17: services[0].access_log: \"yes\" is unknown, allowed: true, false"},
      {"name: kube api",
       "5:11: services[0].name: \"kube api\" is not a name, allowed: 1 to 63 letters, digits, '.', '_' and "
       "'-'"},
      {"name: \"\"", "5:11: services[0].name: must not be empty"},
      {"name: \"a\\e[31mb\"", "5:11: services[0].name: \"a\\x1b[31mb\" contains control characters"},
      {"name: null", "5:11: services[0].name: must not be empty"},
      {"drain: ~", "5:12: services[0].drain: must not be empty"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.yaml);
    CHECK(errors_of(with_service_keys(one.yaml)) == "f:" + one.error);
  }
}

TEST_CASE("services, listen and backends are required") {
  CHECK(errors_of("log: {level: info}") == "f:1:1: services: required, a list of at least one service");
  CHECK(errors_of("services: []") == "f:1:11: services: must not be empty, a list of at least one service");
  CHECK(errors_of("services:\n") == "f:1:1: services: must not be empty");
  CHECK(errors_of("services: {listen: x}") == "f:1:11: services: must be a list, not a mapping");
  CHECK(errors_of("services: [3]") == "f:1:12: services[0]: must be a mapping, not a single value");
  CHECK(errors_of("services:\n  - health_check: {protocol: tcp}") ==
        "f:2:5: services[0].listen: required, allowed: 10.0.0.100:6443, \"[fd00::100]:6443\" or vip:6443, or "
        "a list of "
        "them\n"
        "f:2:5: services[0].backends: required, a list of at least one address such as 10.0.0.11:6443");
  CHECK(errors_of("services: [{listen: [], backends: [], health_check: {protocol: tcp}}]") ==
        "f:1:21: services[0].listen: must not be empty, allowed: 10.0.0.100:6443, \"[fd00::100]:6443\" or "
        "vip:6443\n"
        "f:1:35: services[0].backends: must not be empty, a list of at least one address such as "
        "10.0.0.11:6443");
}

std::string with_backends(const std::string& backends) {
  return "services:\n  - listen: 10.0.0.100:6443\n    health_check: {protocol: tcp}\n    backends: " +
         backends;
}

TEST_CASE("what a backend must not say") {
  const std::vector<Case> cases{
      {"[master-1:6443]",
       "4:16: services[0].backends[0]: \"master-1:6443\" is not an address with a port (names are not "
       "resolved: a "
       "resolver that is down must not take the API along), allowed: 10.0.0.11:6443 or \"[fd00::11]:6443\""},
      {"[{address: 10.0.0.11}]",
       "4:26: services[0].backends[0].address: \"10.0.0.11\" has no port, allowed: 10.0.0.11:6443 or "
       "\"[fd00::11]:6443\""},
      {"[\"fd00::11:6443\"]",
       "4:16: services[0].backends[0]: \"fd00::11:6443\" has no port, allowed: 10.0.0.11:6443 or "
       "\"[fd00::11]:6443\""},
      {"[10.0.0.11:0]", "4:16: services[0].backends[0]: port 0 is out of range, allowed: 1 to 65535"},
      {"[0.0.0.0:6443, \"[::]:6443\"]",
       "4:16: services[0].backends[0]: 0.0.0.0:6443 is no host's address, allowed: the address of one "
       "apiserver, such "
       "as 10.0.0.11:6443\n"
       "f:4:30: services[0].backends[1]: [::]:6443 is no host's address, allowed: the address of one "
       "apiserver, such "
       "as 10.0.0.11:6443"},
      {"[{name: a}]",
       "4:16: services[0].backends[0].address: required, allowed: 10.0.0.11:6443 or \"[fd00::11]:6443\""},
      {"[{address: 10.0.0.11:6443, weight: 0, prt: 3}]",
       "4:50: services[0].backends[0].weight: 0 is out of range, allowed: 1 to 1000\n"
       "f:4:53: services[0].backends[0].prt: unknown key, allowed: name, address, weight"},
      {"[[10.0.0.11:6443]]", "4:16: services[0].backends[0]: must be a mapping, not a list"},
      {"[null]", "4:16: services[0].backends[0]: must not be empty"},
      {"[10.0.0.11:6443, {name: b, address: 10.0.0.11:6443}]",
       "4:51: services[0].backends[1].address: 10.0.0.11:6443 is the address of services[0].backends[0] "
       "already"},
      {"[{name: a, address: 10.0.0.11:6443}, {name: a, address: 10.0.0.12:6443}]",
       "4:52: services[0].backends[1]: the name \"a\" is that of services[0].backends[0] already"},
      {"10.0.0.11:6443", "4:15: services[0].backends: must be a list, not a single value"},
      {"[10.0.0.100:6443]",
       "4:16: services[0].backends[0]: 10.0.0.100:6443 is where services[0] itself listens: its sessions "
       "would go "
       "round in a loop"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.yaml);
    CHECK(errors_of(with_backends(one.yaml)) == "f:" + one.error);
  }
}

TEST_CASE("a loopback backend at the port of an unspecified listen address is a loop") {
  const std::string rest = "health_check: {protocol: tcp}}]";
  CHECK(errors_of("services: [{listen: 0.0.0.0:6443, backends: [127.0.0.1:6443], " + rest) ==
        "f:1:46: services[0].backends[0]: 127.0.0.1:6443 is where services[0] itself listens: its sessions "
        "would go "
        "round in a loop");
  CHECK(errors_of("services: [{listen: \"[::]:6443\", backends: [\"[::1]:6443\"], " + rest) ==
        "f:1:45: services[0].backends[0]: [::1]:6443 is where services[0] itself listens: its sessions would "
        "go round "
        "in a loop");
  CHECK(errors_of("services: [{listen: 0.0.0.0:6443, backends: [10.0.0.11:6443], " + rest).empty());
}

TEST_CASE("a backend where another service listens is an error that names it") {
  const auto crossed = [](const std::string& first, const std::string& second, const std::string& backend) {
    return errors_of("services:\n- listen: " + first + "\n  backends: [" + backend +
                     "]\n  health_check: &tcp {protocol: tcp}\n- listen: " + second +
                     "\n  backends: [10.0.0.1:1]\n  health_check: *tcp\n");
  };
  const std::string rest = ": a backend is an apiserver, its sessions could go round in a loop";
  CHECK(crossed("10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:2") ==
        "f:3:14: services[0].backends[0]: 10.0.0.1:2 is where services[1] listens" + rest +
            "\nf:6:14: services[1].backends[0]: 10.0.0.1:1 is where services[0] listens" + rest);
  CHECK(crossed("10.0.0.9:1", "0.0.0.0:2", "127.0.0.1:2") ==
        "f:3:14: services[0].backends[0]: 127.0.0.1:2 is where services[1] listens" + rest);
  CHECK(crossed("10.0.0.9:1", "\"[::]:2\"", "\"[::1]:2\"") ==
        "f:3:14: services[0].backends[0]: [::1]:2 is where services[1] listens" + rest);
  CHECK(crossed("10.0.0.9:1", "0.0.0.0:2", "10.0.0.11:2").empty());
  CHECK(crossed("10.0.0.9:1", "10.0.0.9:2", "10.0.0.11:2").empty());
}

std::string two_services(const std::string& first, const std::string& second) {
  return "services:\n- listen: " + first +
         "\n  backends: [10.0.0.11:1]\n  health_check: &tcp {protocol: tcp}\n" + "- listen: " + second +
         "\n  backends: [10.0.0.11:1]\n  health_check: *tcp\n";
}

TEST_CASE("no address is listened on twice") {
  CHECK(errors_of(two_services("10.0.0.1:1", "[10.0.0.1:2, 10.0.0.1:1]")) ==
        "f:5:24: services[1].listen[1]: 10.0.0.1:1 clashes with 10.0.0.1:1 (services[0].listen)");
  CHECK(errors_of(two_services("0.0.0.0:1", "10.0.0.1:1")) ==
        "f:5:11: services[1].listen: 10.0.0.1:1 clashes with 0.0.0.0:1 (services[0].listen)");
  CHECK(errors_of(two_services("10.0.0.1:1", "0.0.0.0:1")) ==
        "f:5:11: services[1].listen: 0.0.0.0:1 clashes with 10.0.0.1:1 (services[0].listen)");
  CHECK(errors_of(two_services("\"[::]:1\"", "\"[fd00::1]:1\"")) ==
        "f:5:11: services[1].listen: [fd00::1]:1 clashes with [::]:1 (services[0].listen)");
  CHECK(errors_of(two_services("0.0.0.0:9643", "0.0.0.0:2")) ==
        "f:2:11: services[0].listen: 0.0.0.0:9643 clashes with 127.0.0.1:9643 (admin.listen, by default)");
  CHECK(errors_of("admin: {listen: [10.0.0.1:1]}\n" + two_services("10.0.0.1:1", "10.0.0.1:2")) ==
        "f:3:11: services[0].listen: 10.0.0.1:1 clashes with 10.0.0.1:1 (admin.listen[0])");
  CHECK(errors_of(two_services("10.0.0.1:1", "10.0.0.1:2") + "admin: {listen: 10.0.0.1:1}\n") ==
        "f:8:17: admin.listen: 10.0.0.1:1 clashes with 10.0.0.1:1 (services[0].listen)");
  CHECK(errors_of(two_services("0.0.0.0:1", "\"[::]:1\"")).empty());
  CHECK(errors_of(two_services("0.0.0.0:9643", "0.0.0.0:2") + "admin: {listen: []}\n").empty());
}

TEST_CASE("what listen must not say") {
  const auto listen = [](const std::string& text) { return errors_of(two_services(text, "10.0.0.1:2")); };
  CHECK(listen("10.0.0.1:0") == "f:2:11: services[0].listen: port 0 is out of range, allowed: 1 to 65535");
  CHECK(
      listen("10.0.0.1:65536") ==
      "f:2:11: services[0].listen: \"10.0.0.1:65536\" is not an address with a port (names are not resolved: "
      "a "
      "resolver that is down must not take the API along), allowed: 10.0.0.100:6443, \"[fd00::100]:6443\" or "
      "vip:6443");
  CHECK(listen("6443") ==
        "f:2:11: services[0].listen: \"6443\" is not an address with a port (names are not resolved: a "
        "resolver that "
        "is down must not take the API along), allowed: 10.0.0.100:6443, \"[fd00::100]:6443\" or vip:6443");
  CHECK(listen("vip:x") ==
        "f:2:11: services[0].listen: \"vip:x\" has no port from 1 to 65535, allowed: 10.0.0.100:6443, "
        "\"[fd00::100]:6443\" or vip:6443");
  CHECK(listen("vip:6443") ==
        "f:2:11: services[0].listen: vip:6443 needs a vip section, allowed without: an address such as "
        "10.0.0.100:6443");
}

TEST_CASE("an IPv6 address without quotes gets a hint") {
  CHECK(errors_of("services:\n  - listen: [::]:6443\n") ==
        "f:2:17: not valid YAML: end of map not found (an IPv6 address with a port needs quotes: "
        "\"[fd00::100]:6443\")");
}

TEST_CASE("names of services are unique, given or not") {
  CHECK(errors_of(R"(services:
- {listen: 10.0.0.1:1, backends: [10.0.0.11:1], health_check: {protocol: tcp}, name: service-2}
- {listen: 10.0.0.1:2, backends: [10.0.0.11:1], health_check: {protocol: tcp}}
)") == "f:3:3: services[1]: the name \"service-2\" is that of services[0] already");
}

}  // namespace
}  // namespace vipward::config_test
