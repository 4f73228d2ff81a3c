#include <doctest/doctest.h>

#include "tests/unit/config/yaml_text.h"

namespace vipward::config_test {
namespace {

using namespace std::chrono_literals;

HealthCheckConfig check_of(const std::string& keys) {
  return config_of(with_check_keys(keys)).services.at(0).health_check;
}

TEST_CASE("a health check with nothing but the CA gets every default of the contract") {
  const HealthCheckConfig check = check_of("tls: {ca_file: /ca.crt}");
  CHECK(check.protocol == CheckProtocol::Https);
  CHECK_FALSE(check.port.has_value());
  CHECK(check.paths == std::vector<std::string>{"/healthz", "/readyz"});
  CHECK(check.expected_status == std::vector<int>{200});
  CHECK(check.interval == 1s);
  CHECK(check.fast_interval == 250ms);
  CHECK(check.jitter == 0.1);
  CHECK(check.connect_timeout == 2s);
  CHECK(check.response_timeout == 5s);
  CHECK(check.rise == 2);
  CHECK(check.fall == 3);
  CHECK(check.tls.ca_file == "/ca.crt");
  CHECK_FALSE(check.tls.server_name.has_value());
  CHECK_FALSE(check.tls.certificate_file.has_value());
  CHECK_FALSE(check.tls.key_file.has_value());
  CHECK_FALSE(check.tls.insecure_skip_verify);
  CHECK_FALSE(check.bearer_token_file.has_value());
}

TEST_CASE("every key of a health check is taken over") {
  const HealthCheckConfig check = check_of(
      "protocol: https, port: 6444, paths: [/ping, \"/readyz?verbose\"], expected_status: [200, 204], "
      "interval: 2s, "
      "fast_interval: 1s, jitter: 2.5%, connect_timeout: 3s, response_timeout: 4s, rise: 1, fall: 100, "
      "tls: {ca_file: /ca, server_name: kubernetes.default, certificate_file: /c, key_file: k}, "
      "bearer_token_file: /t");
  CHECK(check.port == 6444);
  CHECK(check.paths == std::vector<std::string>{"/ping", "/readyz?verbose"});
  CHECK(check.expected_status == std::vector<int>{200, 204});
  CHECK(check.interval == 2s);
  CHECK(check.fast_interval == 1s);
  CHECK(check.jitter == 0.025);
  CHECK(check.connect_timeout == 3s);
  CHECK(check.response_timeout == 4s);
  CHECK(check.rise == 1);
  CHECK(check.fall == 100);
  CHECK(check.tls.server_name == "kubernetes.default");
  CHECK(check.tls.certificate_file == "/c");
  CHECK(check.tls.key_file == "k");
  CHECK(check.bearer_token_file == "/t");
}

TEST_CASE("where the contract shows null, null means the default") {
  const HealthCheckConfig check = check_of(
      "port: null, bearer_token_file: ~, tls: {ca_file: /ca, server_name: null, certificate_file: , "
      "key_file: null}");
  CHECK_FALSE(check.port.has_value());
  CHECK_FALSE(check.bearer_token_file.has_value());
  CHECK_FALSE(check.tls.server_name.has_value());
  CHECK_FALSE(check.tls.certificate_file.has_value());
  CHECK(check_of("protocol: tcp, bearer_token_file: null, tls: {ca_file: null}").protocol ==
        CheckProtocol::Tcp);
}

TEST_CASE("checks need no CA when nothing is verified") {
  CHECK(check_of("tls: {insecure_skip_verify: true}").tls.insecure_skip_verify);
  CHECK(check_of("protocol: tls, tls: {insecure_skip_verify: true}").protocol == CheckProtocol::Tls);
  CHECK(check_of("protocol: http, paths: [/]").protocol == CheckProtocol::Http);
  CHECK(check_of("protocol: tcp").protocol == CheckProtocol::Tcp);
}

TEST_CASE("the default of fast_interval is never longer than the interval") {
  CHECK(check_of("protocol: tcp, interval: 100ms").fast_interval == 100ms);
}

constexpr const char* kNoCa =
    "services[0].health_check.tls.ca_file: required to verify the backends, the cluster's CA certificate (on "
    "a kubeadm "
    "master: /etc/kubernetes/pki/ca.crt), allowed without it: insecure_skip_verify: true, or protocol http "
    "or tcp";

TEST_CASE("https and tls without a CA say how to get it, at the innermost mapping that is there") {
  CHECK(errors_of("services:\n- listen: 10.0.0.1:1\n  backends: [10.0.0.2:1]\n") ==
        std::string("f:2:3: ") + kNoCa);
  CHECK(errors_of(with_check_keys("rise: 1")) == std::string("f:4:19: ") + kNoCa);
  CHECK(errors_of(with_check_keys("protocol: tls")) == std::string("f:4:19: ") + kNoCa);
  CHECK(errors_of(with_check_keys("tls: {server_name: a}")) == std::string("f:4:25: ") + kNoCa);
  CHECK(errors_of(with_check_keys("tls: {ca_file: null}")) == std::string("f:4:35: ") + kNoCa);
}

TEST_CASE("what a health check must not say") {
  const std::string p = "services[0].health_check.";
  const std::string no_effect_tcp = ": has no effect with protocol tcp, allowed with: ";
  const std::string no_effect_http = ": has no effect with protocol http, allowed with: https, tls";
  const std::vector<Case> cases{
      {"protocol: htps", "4:30: " + p + "protocol: \"htps\" is unknown, allowed: https, http, tls, tcp"},
      {"protocol: null", "4:30: " + p + "protocol: must not be empty"},
      {"protocol: tcp, port: 0", "4:41: " + p + "port: 0 is out of range, allowed: 1 to 65535"},
      {"protocol: tcp, interval: 9ms", "4:45: " + p + "interval: 9ms is out of range, allowed: 10ms to 1h"},
      {"protocol: tcp, interval: 2h", "4:45: " + p + "interval: 2h is out of range, allowed: 10ms to 1h"},
      {"protocol: tcp, interval: 1s, fast_interval: 2s",
       "4:64: " + p + "fast_interval: 2s must not exceed interval (1s)"},
      {"protocol: tcp, jitter: 51%", "4:43: " + p + "jitter: 51% is out of range, allowed: 0% to 50%"},
      {"protocol: tcp, jitter: 0.1",
       "4:43: " + p + "jitter: \"0.1\" is not a percentage, allowed: 0% to 50%"},
      {"protocol: tcp, connect_timeout: 0s, response_timeout: 1d",
       "4:52: " + p + "connect_timeout: 0s is out of range, allowed: 10ms to 10m\nf:4:74: " + p +
           "response_timeout: \"1d\" is not a duration such as 250ms, 10s, 5m or 1h, allowed: 10ms to 10m"},
      {"protocol: tcp, rise: 0, fall: 101", "4:41: " + p +
                                                "rise: 0 is out of range, allowed: 1 to 100\nf:4:50: " + p +
                                                "fall: 101 is out of range, allowed: 1 to 100"},
      {"protocol: http, paths: []",
       "4:43: " + p + "paths: must not be empty, allowed: 1 to 16 paths such as /readyz"},
      {"protocol: http, paths: [/1, /2, /3, /4, /5, /6, /7, /8, /9, /10, /11, /12, /13, /14, /15, /16, /17]",
       "4:43: " + p + "paths: 17 entries, allowed: at most 16"},
      {"protocol: http, paths: /healthz", "4:43: " + p + "paths: must be a list, not a single value"},
      {"protocol: http, paths: [healthz]", "4:44: " + p +
                                               "paths[0]: \"healthz\" is not a path, allowed: '/' and up to "
                                               "1023 printable characters, no spaces"},
      {"protocol: http, paths: [/a b]",
       "4:44: " + p +
           "paths[0]: \"/a b\" is not a path, allowed: '/' and up to 1023 printable characters, no spaces"},
      {"protocol: http, paths: [\"/a\\r\\nHost: b\"]",
       "4:44: " + p + "paths[0]: \"/a\\x0d\\x0aHost: b\" contains control characters"},
      {"protocol: http, expected_status: [99, 600, ok]",
       "4:54: " + p + "expected_status[0]: 99 is out of range, allowed: 100 to 599\nf:4:58: " + p +
           "expected_status[1]: 600 is out of range, allowed: 100 to 599\nf:4:63: " + p +
           "expected_status[2]: \"ok\" is not a whole number, allowed: 100 to 599"},
      {"protocol: http, expected_status: []",
       "4:53: " + p + "expected_status: must not be empty, allowed: 100 to 599"},
      {"protocol: http, bearer_token_file: /t",
       "4:55: " + p + "bearer_token_file: protocol http would send the token in clear, allowed with: https"},
      {"protocol: tcp, paths: [/], expected_status: [200], bearer_token_file: /t",
       "4:42: " + p + "paths" + no_effect_tcp + "https, http\nf:4:64: " + p + "expected_status" +
           no_effect_tcp + "https, http\nf:4:90: " + p + "bearer_token_file" + no_effect_tcp + "https"},
      {"protocol: http, tls: {ca_file: /c, server_name: s, insecure_skip_verify: false}",
       "4:51: " + p + "tls.ca_file" + no_effect_http + "\nf:4:68: " + p + "tls.server_name" + no_effect_http +
           "\nf:4:93: " + p + "tls.insecure_skip_verify" + no_effect_http},
      {"protocol: tls, paths: [/], tls: {ca_file: /c}",
       "4:42: " + p + "paths: has no effect with protocol tls, allowed with: https, http"},
      {"tls: {ca_file: /c, insecure_skip_verify: true}",
       "4:61: " + p + "tls.insecure_skip_verify: contradicts ca_file, allowed: one of the two"},
      {"tls: {ca_file: /c, certificate_file: /x}", "4:57: " + p + "tls.certificate_file: needs key_file too"},
      {"tls: {ca_file: /c, key_file: /x}", "4:49: " + p + "tls.key_file: needs certificate_file too"},
      {"tls: {ca_file: /c, server_name: a b}",
       "4:52: " + p +
           "tls.server_name: \"a b\" is not a name in a certificate, allowed: a name or an address, without "
           "a port"},
      {"tls: {ca_file: /c, server_name: 'kubernetes:6443'}",
       "4:52: " + p +
           "tls.server_name: \"kubernetes:6443\" is not a name in a certificate, allowed: a name or an "
           "address, without a port"},
      {"tls: {ca_file: \"\"}", "4:35: " + p + "tls.ca_file: must not be empty"},
      {"tls: {ca_file: [/a]}", "4:35: " + p + "tls.ca_file: must be a single value, not a list"},
      {"tls: null", "4:25: " + p + "tls: must not be empty"},
      {"tls: /ca.crt", "4:25: " + p + "tls: must be a mapping, not a single value"},
      {"protocol: tcp, intervall: 1s", "4:35: " + p + "intervall: unknown key, did you mean interval?"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.yaml);
    CHECK(errors_of(with_check_keys(one.yaml)) == "f:" + one.error);
  }
}

}  // namespace
}  // namespace vipward::config_test
