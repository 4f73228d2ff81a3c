#include <algorithm>

#include "config/sections.h"
#include "config/values.h"

namespace vipward::config {
namespace {

using namespace std::chrono_literals;

bool speaks_http(CheckProtocol protocol) {
  return protocol == CheckProtocol::Https || protocol == CheckProtocol::Http;
}

bool speaks_tls(CheckProtocol protocol) {
  return protocol == CheckProtocol::Https || protocol == CheckProtocol::Tls;
}

std::string_view name_of(CheckProtocol protocol) {
  switch (protocol) {
    case CheckProtocol::Https:
      return "https";
    case CheckProtocol::Http:
      return "http";
    case CheckProtocol::Tls:
      return "tls";
    case CheckProtocol::Tcp:
      return "tcp";
  }
  return "";
}

void refuse_if_set(MappingReader& map, std::string_view key, CheckProtocol protocol,
                   std::string_view allowed) {
  if (!map.has(key)) return;
  map.fail(key, "has no effect with protocol " + std::string(name_of(protocol)) +
                    ", allowed with: " + std::string(allowed));
}

void read_paths(MappingReader& map, HealthCheckConfig& check) {
  const auto list = map.take("paths");
  if (!list) return;
  check.paths.clear();
  const auto items = list->items({.if_empty = "allowed: 1 to 16 paths such as /readyz", .most = 16});
  for (const Value& item : items) {
    const auto text = item.text();
    if (!text) continue;
    if (is_request_path(*text)) {
      check.paths.push_back(*text);
    } else {
      item.fail(quoted(*text) +
                " is not a path, allowed: '/' and up to 1023 printable characters, no spaces");
    }
  }
}

void read_expected_status(MappingReader& map, HealthCheckConfig& check) {
  const auto list = map.take("expected_status");
  if (!list) return;
  check.expected_status.clear();
  const auto items = list->items({.if_empty = "allowed: 100 to 599"});
  for (const Value& item : items) {
    const auto status = item.whole_number(100, 599);
    if (status) check.expected_status.push_back(static_cast<int>(*status));
  }
}

void read_jitter(MappingReader& map, HealthCheckConfig& check) {
  const auto value = map.take("jitter");
  if (!value) return;
  const auto text = value->text();
  if (!text) return;
  const auto share = parse_percent(*text);
  if (!share || *share > 0.5) {
    value->fail((share ? *text + " is out of range" : quoted(*text) + " is not a percentage") +
                ", allowed: 0% to 50%");
    return;
  }
  check.jitter = *share;
}

void read_times(MappingReader& map, HealthCheckConfig& check) {
  const DurationRule pause{.min = 10ms, .max = 1h};
  const Found interval = map.duration("interval", check.interval, pause);
  const Found fast = map.duration("fast_interval", check.fast_interval, pause);
  if (fast == Found::Absent) check.fast_interval = std::min(check.fast_interval, check.interval);
  if (fast == Found::Good && interval != Found::Bad && check.fast_interval > check.interval) {
    map.fail("fast_interval", format_duration(check.fast_interval) + " must not exceed interval (" +
                                  format_duration(check.interval) + ")");
  }
  read_jitter(map, check);
  const DurationRule limit{.min = 10ms, .max = 10min};
  map.duration("connect_timeout", check.connect_timeout, limit);
  map.duration("response_timeout", check.response_timeout, limit);
}

void read_server_name(MappingReader& map, CheckTlsConfig& tls) {
  std::optional<std::string> name;
  if (map.text_or_null("server_name", name) != Found::Good) return;
  if (!is_server_name(*name)) {
    map.fail(
        "server_name",
        quoted(*name) + " is not a name in a certificate, allowed: a name or an address, without a port");
    return;
  }
  tls.server_name = std::move(name);
}

void check_tls(const MappingReader& map, const CheckTlsConfig& tls) {
  if (tls.insecure_skip_verify && map.has("ca_file")) {
    map.fail("insecure_skip_verify", "contradicts ca_file, allowed: one of the two");
  }
  if (!tls.insecure_skip_verify && !map.has("ca_file")) {
    map.fail("ca_file",
             "required to verify the backends, the cluster's CA certificate (on a kubeadm master: "
             "/etc/kubernetes/pki/ca.crt), allowed without it: insecure_skip_verify: true, or protocol http "
             "or tcp");
  }
  if (map.has("certificate_file") && !map.has("key_file")) map.fail("certificate_file", "needs key_file too");
  if (map.has("key_file") && !map.has("certificate_file")) map.fail("key_file", "needs certificate_file too");
}

void read_tls(MappingReader& check_map, HealthCheckConfig& check, bool protocol_known) {
  MappingReader map(check_map, "tls");
  CheckTlsConfig& tls = check.tls;
  read_file_path(map, "ca_file", tls.ca_file);
  read_server_name(map, tls);
  read_file_path(map, "certificate_file", tls.certificate_file);
  read_file_path(map, "key_file", tls.key_file);
  const Found insecure = map.boolean("insecure_skip_verify", tls.insecure_skip_verify);
  if (!protocol_known) return;
  if (speaks_tls(check.protocol)) {
    if (insecure != Found::Bad && !map.is_broken()) check_tls(map, tls);
    return;
  }
  for (const auto* key : {"ca_file", "server_name", "certificate_file", "key_file", "insecure_skip_verify"}) {
    refuse_if_set(map, key, check.protocol, "https, tls");
  }
}

void check_protocol_keys(MappingReader& map, CheckProtocol protocol) {
  if (!speaks_http(protocol)) {
    refuse_if_set(map, "paths", protocol, "https, http");
    refuse_if_set(map, "expected_status", protocol, "https, http");
    refuse_if_set(map, "bearer_token_file", protocol, "https");
  }
  if (protocol == CheckProtocol::Http && map.has("bearer_token_file")) {
    map.fail("bearer_token_file", "protocol http would send the token in clear, allowed with: https");
  }
}

}  // namespace

void read_health_check(MappingReader& service, HealthCheckConfig& check) {
  MappingReader map(service, "health_check");
  const Found protocol = map.choice<CheckProtocol>("protocol", check.protocol,
                                                   {{"https", CheckProtocol::Https},
                                                    {"http", CheckProtocol::Http},
                                                    {"tls", CheckProtocol::Tls},
                                                    {"tcp", CheckProtocol::Tcp}});
  if (const auto port = map.take_or_null("port")) {
    if (const auto number = port->whole_number(1, 65535)) check.port = static_cast<std::uint16_t>(*number);
  }
  read_paths(map, check);
  read_expected_status(map, check);
  read_times(map, check);
  map.whole_number("rise", check.rise, 1, 100);
  map.whole_number("fall", check.fall, 1, 100);
  read_file_path(map, "bearer_token_file", check.bearer_token_file);
  const bool protocol_known = protocol != Found::Bad && !map.is_broken();
  if (protocol_known) check_protocol_keys(map, check.protocol);
  read_tls(map, check, protocol_known);
}

}  // namespace vipward::config
