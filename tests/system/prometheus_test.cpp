// A real Prometheus with the shipped scrape configuration.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// The contract, as far as it exists: counters and gauges by name, histograms by their count.
const std::vector<std::string> kMetrics{
    "vipward_build_info",
    "vipward_config_info",
    "vipward_config_last_reload_successful",
    "vipward_config_last_reload_success_timestamp_seconds",
    "vipward_generation",
    "vipward_connections_active",
    "vipward_connections_accepted_total",
    "vipward_connections_closed_total",
    "vipward_connections_rejected_total",
    "vipward_connections_limit",
    "vipward_connection_duration_seconds_count",
    "vipward_relayed_bytes_total",
    "vipward_spliced_bytes_total",
    "vipward_connect_duration_seconds_count",
    "vipward_connect_failures_total",
    "vipward_backend_connections",
    "vipward_backend_connections_total",
    "vipward_backend_state",
    "vipward_health_checks_total",
    "vipward_health_checks_impossible_total",
    "vipward_log_lines_dropped_total",
    "vipward_health_check_duration_seconds_count",
    "vipward_backend_certificate_expiry_timestamp_seconds",
    "vipward_backend_clock_skew_seconds",
    "vipward_loop_lag_seconds_count",
    "process_open_fds",
    "process_max_fds",
    "process_resident_memory_bytes",
    "process_virtual_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
};

const SocketAddress kPrometheus = *SocketAddress::parse("127.0.0.1:9090");

nlohmann::json ask_prometheus(const std::string& path) {
  const HttpResponse response = http_get({.address = kPrometheus}, path);
  if (!response.is_ok()) return {};
  return nlohmann::json::parse(response.body).at("data");
}

// The shipped file, with this test's target in place of the two hosts of the example.
std::string scrape_configuration() {
  std::string text = read_file("deploy/prometheus/prometheus.yml");
  const auto replace = [&](const std::string& line, const std::string& by) {
    const auto at = text.find(line);
    REQUIRE_MESSAGE(at != std::string::npos, line, " is not in deploy/prometheus/prometheus.yml");
    text.replace(at, line.size(), by);
  };
  replace("          - 10.0.0.21:9643\n", "          - 127.0.0.1:9643\n");
  replace("          - 10.0.0.22:9643\n", "");
  return text;
}

TEST_CASE("Prometheus scrapes vipward with the shipped configuration and finds every metric") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  CHECK(rig.ask(30).size() == 3);

  const std::string file = rig.folder().file("prometheus.yml", scrape_configuration());
  const CommandResult config_check = run_command({"promtool", "check", "config", file});
  CHECK_MESSAGE(config_check.succeeded(), config_check.standard_output, config_check.standard_error);
  Process prometheus({"prometheus", "--config.file=" + file,
                      "--storage.tsdb.path=" + rig.folder().file("tsdb"),
                      "--web.listen-address=" + kPrometheus.to_string()});
  const auto is_up = [&] {
    const nlohmann::json targets = ask_prometheus("/api/v1/targets");
    return targets.is_object() && targets.at("activeTargets").size() == 1 &&
           targets.at("activeTargets").at(0).at("health") == "up";
  };
  REQUIRE_MESSAGE(wait_until(is_up, 60s, 100ms), prometheus.output_tail(),
                  ask_prometheus("/api/v1/targets").dump(2));

  const nlohmann::json names = ask_prometheus("/api/v1/label/__name__/values");
  for (const std::string& metric : kMetrics) {
    CHECK_MESSAGE(std::find(names.begin(), names.end(), metric) != names.end(), metric);
  }
  const nlohmann::json ready =
      ask_prometheus("/api/v1/query?query=sum(vipward_backend_state%7Bstate=%22ready%22%7D)");
  CHECK(ready.at("result").at(0).at("value").at(1) == "3");
  // No label says who a client is.
  CHECK(vipward.admin("/metrics").body.find("client=") == std::string::npos);
}

TEST_CASE("promtool finds nothing to say about the metrics") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  CHECK(rig.ask(10).size() >= 1);
  const std::string file = rig.folder().file("metrics", vipward.admin("/metrics").body);
  const CommandResult result = run_command({"sh", "-c", "promtool check metrics <'" + file + "'"});
  CHECK_MESSAGE(result.succeeded(), result.standard_output, result.standard_error);
  CHECK(result.standard_output + result.standard_error == "");
}

}  // namespace
}  // namespace vipward::test
