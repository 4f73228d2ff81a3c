// What a reload from one configuration to another means, row by row.
#include "config/difference.h"

#include <doctest/doctest.h>

#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

using config::Difference;
using config::difference_of;

// Two services, and a VIP that the second one listens on.
struct Parts {
  std::string api_listen = "[10.0.0.100:6443]";
  std::string api_backends = "[{name: m1, address: 10.0.0.11:6443}, 10.0.0.12:6443]";
  std::string api_check = "{protocol: tcp}";
  std::string api_keys{};  // "connect: {timeout: 1s}, ..."
  std::string join =
      "{name: join, listen: \"vip:9345\", backends: [10.0.0.11:9345], health_check: {protocol: tcp}}";
  std::string vip = "addresses: [10.0.0.100/24], peers: [10.0.0.21, 10.0.0.22]";
  std::string vip_keys{};
  std::string top{};
};

Config config_from(const Parts& parts) {
  std::string yaml = "services:\n  - {name: api, listen: " + parts.api_listen +
                     ", backends: " + parts.api_backends + ", health_check: " + parts.api_check;
  if (!parts.api_keys.empty()) yaml += ", " + parts.api_keys;
  yaml += "}\n";
  if (!parts.join.empty()) yaml += "  - " + parts.join + "\n";
  if (!parts.vip.empty())
    yaml += "vip: {" + parts.vip + (parts.vip_keys.empty() ? "" : ", " + parts.vip_keys) + "}\n";
  return config_of(yaml + parts.top + "\n");
}

Difference difference(const Parts& from, const Parts& to) {
  return difference_of(config_from(from), config_from(to));
}
std::string changes(const Parts& to, const Parts& from = {}) {
  const Difference found = difference(from, to);
  CHECK(joined(found.refusals) == "");
  return joined(found.changes);
}
std::string refusals(const Parts& to, const Parts& from = {}) {
  return joined(difference(from, to).refusals);
}

constexpr const char* kRestart = ": this needs a restart of vipward, on the standby first";

TEST_CASE("the same configuration changes nothing and keeps everything") {
  const Difference same = difference({}, {});
  CHECK(joined(same.refusals) == "");
  CHECK(joined(same.changes) == "");
  CHECK(same.departing.empty());
  CHECK(config::counts_text(same) ==
        "backends: 0 added, 0 removed, 3 kept; listeners: 0 added, 0 removed, 2 kept");
}

TEST_CASE("what a restart is needed for is refused, one line each") {
  const Parts plain{.vip_keys = "virtual_router_id: 51"};
  CHECK(refusals({.vip_keys = "virtual_router_id: 52"}, plain) ==
        std::string("vip.virtual_router_id 51 -> 52") + kRestart);
  CHECK(refusals({.vip_keys = "interface: eth1"}) == std::string("vip.interface auto -> eth1") + kRestart);
  CHECK(refusals({.top = "user: nobody"}) == std::string("user vipward -> nobody") + kRestart);
  CHECK(refusals({.top = "control_socket: {path: /run/other.sock, mode: \"0660\", group: adm}"}) ==
        std::string("control_socket.path /run/vipward/control.sock -> /run/other.sock") + kRestart +
            "\ncontrol_socket.mode 0600 -> 0660" + kRestart + "\ncontrol_socket.group none -> adm" +
            kRestart);
}

TEST_CASE("a vip section that appears or vanishes needs a restart") {
  const Parts without{.join = "", .vip = ""};
  CHECK(refusals({.join = ""}, without) == std::string("vip: added") + kRestart);
  CHECK(refusals(without, {.join = ""}) == std::string("vip: removed") + kRestart);
}

TEST_CASE("a first address with another last octet is another router id, unless the file names one") {
  const Parts moved{.vip = "addresses: [10.0.0.101/24], peers: [10.0.0.21, 10.0.0.22]"};
  CHECK(refusals(moved) == std::string("vip.virtual_router_id 100 -> 101") + kRestart);
  Parts named = moved;
  named.vip_keys = "virtual_router_id: 100";
  CHECK(changes(named) == "vip: addresses 10.0.0.100/24 removed\nvip: addresses 10.0.0.101/24 added");
}

TEST_CASE("a backend is added with its address, and its name where it has one") {
  const Parts more{.api_backends =
                       "[{name: m1, address: 10.0.0.11:6443}, 10.0.0.12:6443, 10.0.0.13:6443, "
                       "{name: m4, address: 10.0.0.14:6443}]"};
  CHECK(changes(more) == "api: backend 10.0.0.13:6443 added\napi: backend m4 (10.0.0.14:6443) added");
  CHECK(difference({}, more).departing.empty());
  CHECK(difference({}, more).backends == Difference::Count{.added = 2, .removed = 0, .kept = 3});
}

TEST_CASE("a removed backend departs with the drain timeout that it had") {
  const Parts before{.api_keys = "drain: {timeout: 30s}"};
  const Parts after{.api_backends = "[10.0.0.12:6443]", .api_keys = "drain: {timeout: 7s}"};
  CHECK(changes(after, before) ==
        "api: backend m1 (10.0.0.11:6443) removed, its sessions end within 30s\n"
        "api: drain.timeout 30s -> 7s");
  const Difference found = difference(before, after);
  REQUIRE(found.departing.size() == 1);
  CHECK(found.departing[0].service == "api");
  CHECK(found.departing[0].backend == "m1");
  CHECK(found.departing[0].address.to_string() == "10.0.0.11:6443");
  CHECK(found.departing[0].drain_timeout == std::chrono::seconds(30));
  CHECK(found.backends == Difference::Count{.added = 0, .removed = 1, .kept = 2});
}

TEST_CASE("the same name at another address is another backend") {
  const Parts moved{.api_backends = "[{name: m1, address: 10.0.0.19:6443}, 10.0.0.12:6443]"};
  CHECK(changes(moved) ==
        "api: backend m1 (10.0.0.11:6443) removed, its sessions end within 130s\n"
        "api: backend m1 (10.0.0.19:6443) added");
  const Difference found = difference({}, moved);
  REQUIRE(found.departing.size() == 1);
  CHECK(found.departing[0].address.to_string() == "10.0.0.11:6443");
  CHECK(found.backends == Difference::Count{.added = 1, .removed = 1, .kept = 2});
}

TEST_CASE("a backend that is only called otherwise departs from nowhere") {
  const Parts renamed{.api_backends = "[{name: master-1, address: 10.0.0.11:6443}, 10.0.0.12:6443]"};
  CHECK(changes(renamed) == "api: backend m1 (10.0.0.11:6443) is called master-1 now");
  CHECK(difference({}, renamed).departing.empty());
  CHECK(difference({}, renamed).backends == Difference::Count{.added = 0, .removed = 0, .kept = 3});
}

TEST_CASE("a weight changes without anybody departing") {
  const Parts heavy{.api_backends = "[{name: m1, address: 10.0.0.11:6443, weight: 5}, 10.0.0.12:6443]"};
  CHECK(changes(heavy) == "api: backend m1: weight 1 -> 5");
  CHECK(difference({}, heavy).departing.empty());
  CHECK(difference({}, heavy).backends == Difference::Count{.added = 0, .removed = 0, .kept = 3});
}

TEST_CASE("backends in another order are no change") {
  CHECK(changes({.api_backends = "[10.0.0.12:6443, {name: m1, address: 10.0.0.11:6443}]"}) == "");
}

TEST_CASE("a service that goes departs with all its backends, one that comes is said once") {
  const Parts alone{.join = ""};
  CHECK(changes(alone) == "join: service removed, its sessions end within 130s");
  const Difference gone = difference({}, alone);
  REQUIRE(gone.departing.size() == 1);
  CHECK(gone.departing[0].service == "join");
  CHECK(gone.departing[0].backend == "10.0.0.11:9345");
  CHECK(config::counts_text(gone) ==
        "backends: 0 added, 1 removed, 2 kept; listeners: 0 added, 1 removed, 1 kept");
  CHECK(changes({}, alone) == "join: service added");
  CHECK(config::counts_text(difference(alone, {})) ==
        "backends: 1 added, 0 removed, 2 kept; listeners: 1 added, 0 removed, 1 kept");
}

TEST_CASE("listeners come and go by address, also those on every VIP") {
  const Parts other{.api_listen = "[\"vip:6443\", 10.0.0.21:6443]"};
  CHECK(changes(other) ==
        "api: listen 10.0.0.100:6443 removed\napi: listen vip:6443 added\napi: listen 10.0.0.21:6443 added");
  CHECK(difference({}, other).listeners == Difference::Count{.added = 2, .removed = 1, .kept = 1});
}

TEST_CASE("every other key of a service is named with its values") {
  const Parts other{
      .api_keys =
          "balance: round_robin, connect: {timeout: 2s, deadline: 6s}, first_data_timeout: off, "
          "keepalive: {idle: 20s, interval: 6s, count: 4}, tcp_user_timeout: 30s, idle_timeout: 1h, "
          "half_close_timeout: 2m, when_none_ready: refuse, max_connections: 100, "
          "allow: [10.0.0.0/8], access_log: false"};
  CHECK(changes(other) ==
        "api: balance least_connections -> round_robin\n"
        "api: connect.timeout 1500ms -> 2s\n"
        "api: connect.deadline 5s -> 6s\n"
        "api: first_data_timeout 10s -> off\n"
        "api: keepalive.idle 10s -> 20s\n"
        "api: keepalive.interval 5s -> 6s\n"
        "api: keepalive.count 3 -> 4\n"
        "api: tcp_user_timeout 0s -> 30s\n"
        "api: idle_timeout 0s -> 1h\n"
        "api: half_close_timeout 1m -> 2m\n"
        "api: when_none_ready fail_open -> refuse\n"
        "api: max_connections 0 -> 100\n"
        "api: allow 10.0.0.0/8 added\n"
        "api: access_log true -> false");
}

TEST_CASE("keys of the checks are named with their path") {
  const Parts https{.api_check = "{tls: {ca_file: /ca.crt}}"};
  const Parts other{
      .api_check =
          "{port: 6444, paths: [/livez], expected_status: [200, 401], interval: 2s, "
          "fast_interval: 500ms, jitter: 20%, connect_timeout: 1s, response_timeout: 6s, rise: 3, "
          "fall: 4, bearer_token_file: /token, tls: {ca_file: /new.crt, server_name: api, "
          "certificate_file: /c.crt, key_file: /c.key}}"};
  CHECK(changes(other, https) ==
        "api: health_check.port none -> 6444\n"
        "api: health_check.paths changed\n"
        "api: health_check.expected_status changed\n"
        "api: health_check.interval 1s -> 2s\n"
        "api: health_check.fast_interval 250ms -> 500ms\n"
        "api: health_check.jitter changed\n"
        "api: health_check.connect_timeout 2s -> 1s\n"
        "api: health_check.response_timeout 5s -> 6s\n"
        "api: health_check.rise 2 -> 3\n"
        "api: health_check.fall 3 -> 4\n"
        "api: health_check.tls.ca_file /ca.crt -> /new.crt\n"
        "api: health_check.tls.server_name none -> api\n"
        "api: health_check.tls.certificate_file none -> /c.crt\n"
        "api: health_check.tls.key_file none -> /c.key\n"
        "api: health_check.bearer_token_file none -> /token");
  CHECK(changes({.api_check = "{tls: {insecure_skip_verify: true}}"}, https) ==
        "api: health_check.tls.ca_file /ca.crt -> none\n"
        "api: health_check.tls.insecure_skip_verify false -> true");
  CHECK(changes({.api_check = "{protocol: tcp}"}, https) ==
        "api: health_check.protocol https -> tcp\napi: health_check.tls.ca_file /ca.crt -> none");
}

TEST_CASE("what the VIP does changes without a restart") {
  const Parts other{.vip_keys =
                        "track_interfaces: [eth1], priority: 150, advertise_interval: 500ms, "
                        "failback: 5m, startup_delay: 1s, on_no_backend: release, checksum: rfc9568, "
                        "address_lifetime: 3s, garp_refresh: 1m"};
  CHECK(changes(other) ==
        "vip: track_interfaces eth1 added\n"
        "vip: priority 100 -> 150\n"
        "vip: advertise_interval 200ms -> 500ms\n"
        "vip: failback never -> 5m\n"
        "vip: startup_delay 5s -> 1s\n"
        "vip: on_no_backend keep -> release\n"
        "vip: checksum pseudo_header -> rfc9568\n"
        "vip: address_lifetime auto -> 3s\n"
        "vip: garp_refresh 30s -> 1m");
  CHECK(changes({.vip_keys = "failback: immediately"}) == "vip: failback never -> immediately");
}

TEST_CASE("what all hosts have to say alike is refused, with the way to change it") {
  const std::string together = ": " + std::string(config::kOtherSpeech);
  CHECK(refusals({.vip_keys = "version: 2, advertise_interval: 2s"}, {.vip_keys = "version: 2"}) ==
        "vip.advertise_interval 1s -> 2s" + together);
  CHECK(refusals({.vip_keys = "version: 2"}) == "vip.version 3 -> 2" + together);
  const Parts over_v4{.vip = "addresses: [10.0.0.100/24, \"fd00::100/64\"], peers: [10.0.0.21]"};
  const Parts over_v6{.vip = "addresses: [10.0.0.100/24, \"fd00::100/64\"], peers: [\"fd00::21\"]"};
  const Parts group_v6{.vip = "addresses: [\"fd00::100/64\", 10.0.0.100/24]"};
  CHECK(refusals(over_v6, over_v4) == "vip.peers: VRRP over IPv4 -> IPv6" + together);
  CHECK(refusals(group_v6, {.vip = "addresses: [10.0.0.100/24, \"fd00::100/64\"]"}) ==
        "vip.addresses: VRRP over IPv4 -> IPv6" + together);
  CHECK(refusals(group_v6, over_v6) ==
        "vip.peers: VRRP from the addresses of peers -> link-local addresses" + together);
  CHECK(refusals({.vip = "addresses: [10.0.0.100/24, \"fd00::100/64\"]"}, over_v4).empty());
}

TEST_CASE("addresses and peers of the VIP come and go") {
  CHECK(changes({.vip = "addresses: [10.0.0.100/24, 10.0.0.110/24], peers: [10.0.0.21, 10.0.0.23]"}) ==
        "vip: addresses 10.0.0.110/24 added\n"
        "vip: peers 10.0.0.22 removed\n"
        "vip: peers 10.0.0.23 added");
}

TEST_CASE("admin listeners, workers and the log change without a restart") {
  CHECK(changes({.top = "admin: {listen: [127.0.0.1:9700], allow: [10.0.0.0/8]}\nworkers: 4\n"
                        "log: {level: debug, format: json}"}) ==
        "admin.listen 127.0.0.1:9643 removed\n"
        "admin.listen 127.0.0.1:9700 added\n"
        "admin.allow 10.0.0.0/8 added\n"
        "workers auto -> 4\n"
        "log.level info -> debug\n"
        "log.format text -> json");
}

TEST_CASE("lines are in the order of the file") {
  CHECK(changes({.api_keys = "max_connections: 7", .vip_keys = "priority: 7", .top = "workers: 2"}) ==
        "api: max_connections 0 -> 7\nvip: priority 100 -> 7\nworkers auto -> 2");
}

}  // namespace
}  // namespace vipward::config_test
