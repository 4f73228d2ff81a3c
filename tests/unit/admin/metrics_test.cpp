#include "lb/admin/metrics.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/unit/admin/sample_snapshot.h"

using namespace vipward;

namespace {

const ProcessStats kProcess{.open_fds = 12,
                            .max_fds = 65536,
                            .resident_memory_bytes = 20000000,
                            .virtual_memory_bytes = 400000000,
                            .cpu_seconds = 1.5};

// Without the HELP lines, which are for people.
std::string samples(const Snapshot& snapshot) {
  std::istringstream lines(render_metrics(snapshot, kProcess));
  std::string result;
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("# HELP")) result += line + '\n';
  return result;
}

}  // namespace

TEST_CASE("a snapshot is rendered as Prometheus text") {
  CHECK(samples(sample_snapshot()) == R"(# TYPE vipward_build_info gauge
vipward_build_info{version="0.1.0",revision="abc1234"} 1
# TYPE vipward_config_info gauge
vipward_config_info{hash="0123456789abcdef"} 1
# TYPE vipward_config_last_reload_successful gauge
vipward_config_last_reload_successful 1
# TYPE vipward_config_last_reload_success_timestamp_seconds gauge
vipward_config_last_reload_success_timestamp_seconds 1795335151.25
# TYPE vipward_generation gauge
vipward_generation 1
# TYPE vipward_connections_active gauge
vipward_connections_active{service="kube-apiserver"} 3
# TYPE vipward_connections_accepted_total counter
vipward_connections_accepted_total{service="kube-apiserver"} 43
# TYPE vipward_connections_closed_total counter
vipward_connections_closed_total{service="kube-apiserver",reason="client_closed"} 38
vipward_connections_closed_total{service="kube-apiserver",reason="backend_closed"} 0
# TYPE vipward_connections_rejected_total counter
vipward_connections_rejected_total{service="kube-apiserver",reason="limit"} 0
# TYPE vipward_connections_limit gauge
vipward_connections_limit{service="kube-apiserver"} 15000
# TYPE vipward_connection_duration_seconds histogram
vipward_connection_duration_seconds_count{service="kube-apiserver"} 38
vipward_connection_duration_seconds_sum{service="kube-apiserver"} 4000.5
vipward_connection_duration_seconds_bucket{service="kube-apiserver",le="0.1"} 1
vipward_connection_duration_seconds_bucket{service="kube-apiserver",le="1"} 3
vipward_connection_duration_seconds_bucket{service="kube-apiserver",le="+Inf"} 38
# TYPE vipward_relayed_bytes_total counter
vipward_relayed_bytes_total{service="kube-apiserver",backend="master-1",direction="to_backend"} 1234567890123
vipward_relayed_bytes_total{service="kube-apiserver",backend="master-1",direction="to_client"} 17
vipward_relayed_bytes_total{service="kube-apiserver",backend="master-2",direction="to_backend"} 0
vipward_relayed_bytes_total{service="kube-apiserver",backend="master-2",direction="to_client"} 0
# TYPE vipward_spliced_bytes_total counter
vipward_spliced_bytes_total 1048576
# TYPE vipward_connect_duration_seconds histogram
vipward_connect_duration_seconds_count{service="kube-apiserver",backend="master-1"} 40
vipward_connect_duration_seconds_sum{service="kube-apiserver",backend="master-1"} 2.5
vipward_connect_duration_seconds_bucket{service="kube-apiserver",backend="master-1",le="0.1"} 38
vipward_connect_duration_seconds_bucket{service="kube-apiserver",backend="master-1",le="1"} 39
vipward_connect_duration_seconds_bucket{service="kube-apiserver",backend="master-1",le="+Inf"} 40
vipward_connect_duration_seconds_count{service="kube-apiserver",backend="master-2"} 0
vipward_connect_duration_seconds_sum{service="kube-apiserver",backend="master-2"} 0
vipward_connect_duration_seconds_bucket{service="kube-apiserver",backend="master-2",le="0.1"} 0
vipward_connect_duration_seconds_bucket{service="kube-apiserver",backend="master-2",le="1"} 0
vipward_connect_duration_seconds_bucket{service="kube-apiserver",backend="master-2",le="+Inf"} 0
# TYPE vipward_connect_failures_total counter
vipward_connect_failures_total{service="kube-apiserver",backend="master-1"} 0
vipward_connect_failures_total{service="kube-apiserver",backend="master-2"} 2
# TYPE vipward_backend_connections gauge
vipward_backend_connections{service="kube-apiserver",backend="master-1"} 3
vipward_backend_connections{service="kube-apiserver",backend="master-2"} 0
# TYPE vipward_backend_connections_total counter
vipward_backend_connections_total{service="kube-apiserver",backend="master-1"} 40
vipward_backend_connections_total{service="kube-apiserver",backend="master-2"} 0
# TYPE vipward_backend_state gauge
vipward_backend_state{service="kube-apiserver",backend="master-1",state="unknown"} 0
vipward_backend_state{service="kube-apiserver",backend="master-1",state="ready"} 1
vipward_backend_state{service="kube-apiserver",backend="master-1",state="not_ready"} 0
vipward_backend_state{service="kube-apiserver",backend="master-1",state="dead"} 0
vipward_backend_state{service="kube-apiserver",backend="master-1",state="drained"} 0
vipward_backend_state{service="kube-apiserver",backend="master-2",state="unknown"} 0
vipward_backend_state{service="kube-apiserver",backend="master-2",state="ready"} 0
vipward_backend_state{service="kube-apiserver",backend="master-2",state="not_ready"} 0
vipward_backend_state{service="kube-apiserver",backend="master-2",state="dead"} 1
vipward_backend_state{service="kube-apiserver",backend="master-2",state="drained"} 0
# TYPE vipward_health_checks_total counter
vipward_health_checks_total{service="kube-apiserver",backend="master-1",result="ready"} 700
vipward_health_checks_total{service="kube-apiserver",backend="master-1",result="not_ready"} 0
vipward_health_checks_total{service="kube-apiserver",backend="master-1",result="no_answer"} 0
vipward_health_checks_total{service="kube-apiserver",backend="master-2",result="ready"} 0
vipward_health_checks_total{service="kube-apiserver",backend="master-2",result="not_ready"} 0
vipward_health_checks_total{service="kube-apiserver",backend="master-2",result="no_answer"} 3
# TYPE vipward_health_checks_impossible_total counter
vipward_health_checks_impossible_total{service="kube-apiserver",backend="master-1"} 0
vipward_health_checks_impossible_total{service="kube-apiserver",backend="master-2"} 4
# TYPE vipward_health_check_duration_seconds histogram
vipward_health_check_duration_seconds_count{service="kube-apiserver",backend="master-1",phase="connect"} 700
vipward_health_check_duration_seconds_sum{service="kube-apiserver",backend="master-1",phase="connect"} 0.7
vipward_health_check_duration_seconds_bucket{service="kube-apiserver",backend="master-1",phase="connect",le="0.1"} 700
vipward_health_check_duration_seconds_bucket{service="kube-apiserver",backend="master-1",phase="connect",le="1"} 700
vipward_health_check_duration_seconds_bucket{service="kube-apiserver",backend="master-1",phase="connect",le="+Inf"} 700
# TYPE vipward_backend_certificate_expiry_timestamp_seconds gauge
vipward_backend_certificate_expiry_timestamp_seconds{service="kube-apiserver",backend="master-1"} 1826874751
# TYPE vipward_backend_clock_skew_seconds gauge
vipward_backend_clock_skew_seconds{service="kube-apiserver",backend="master-1"} -0.25
# TYPE vipward_loop_lag_seconds histogram
vipward_loop_lag_seconds_count{loop="control"} 100
vipward_loop_lag_seconds_sum{loop="control"} 0.05
vipward_loop_lag_seconds_bucket{loop="control",le="0.1"} 100
vipward_loop_lag_seconds_bucket{loop="control",le="1"} 100
vipward_loop_lag_seconds_bucket{loop="control",le="+Inf"} 100
# TYPE vipward_proxy_restarts_total counter
vipward_proxy_restarts_total 0
# TYPE vipward_log_lines_dropped_total counter
vipward_log_lines_dropped_total 5
# TYPE process_open_fds gauge
process_open_fds 12
# TYPE process_max_fds gauge
process_max_fds 65536
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 20000000
# TYPE process_virtual_memory_bytes gauge
process_virtual_memory_bytes 400000000
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.5
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1795335151
)");
}

TEST_CASE("every metric has a help text") {
  Snapshot snapshot = sample_snapshot();
  snapshot.vip = sample_vip();
  std::istringstream lines(render_metrics(snapshot, kProcess));
  std::set<std::string> helped;
  std::set<std::string> typed;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, keyword, name, rest;
    words >> hash >> keyword >> name >> rest;
    if (keyword == "HELP" && !rest.empty()) helped.insert(name);
    if (keyword == "TYPE") typed.insert(name);
  }
  CHECK(helped == typed);
  CHECK(typed.size() == 42);
}

TEST_CASE("the virtual address and the guardian have their metrics") {
  Snapshot snapshot = sample_snapshot();
  snapshot.vip = sample_vip();
  snapshot.proxy_restarts = 4;
  snapshot.loop_lag.emplace_back("guardian", two_buckets(7, 0, 0, 0.02));
  const std::string all = samples(snapshot);
  CHECK(all.find("vipward_loop_lag_seconds_count{loop=\"guardian\"} 7\n") != std::string::npos);
  const std::size_t start = all.find("# TYPE vipward_proxy_restarts_total");
  const std::size_t end = all.find("# TYPE vipward_log_lines_dropped_total");
  REQUIRE(start != std::string::npos);
  REQUIRE(end != std::string::npos);
  CHECK(all.substr(start, end - start) == R"(# TYPE vipward_proxy_restarts_total counter
vipward_proxy_restarts_total 4
# TYPE vipward_vip_state gauge
vipward_vip_state{vrid="100",state="init"} 0
vipward_vip_state{vrid="100",state="backup"} 1
vipward_vip_state{vrid="100",state="active"} 0
vipward_vip_state{vrid="100",state="fault"} 0
# TYPE vipward_vip_transitions_total counter
vipward_vip_transitions_total{vrid="100",to="init"} 0
vipward_vip_transitions_total{vrid="100",to="backup"} 2
vipward_vip_transitions_total{vrid="100",to="active"} 1
vipward_vip_transitions_total{vrid="100",to="fault"} 0
# TYPE vipward_vip_last_transition_timestamp_seconds gauge
vipward_vip_last_transition_timestamp_seconds{vrid="100"} 1795338000.25
# TYPE vipward_vip_priority gauge
vipward_vip_priority{vrid="100"} 150
# TYPE vipward_vip_contested gauge
vipward_vip_contested{vrid="100"} 1
# TYPE vipward_vrrp_advertisements_total counter
vipward_vrrp_advertisements_total{vrid="100",direction="sent"} 70
vipward_vrrp_advertisements_total{vrid="100",direction="received"} 4000
# TYPE vipward_vrrp_packets_rejected_total counter
vipward_vrrp_packets_rejected_total{vrid="100",reason="ttl"} 3
vipward_vrrp_packets_rejected_total{vrid="100",reason="unknown_source"} 1
# TYPE vipward_vip_restored_total counter
vipward_vip_restored_total{vrid="100"} 5
# TYPE vipward_vip_conflicts_total counter
vipward_vip_conflicts_total{vrid="100"} 6
# TYPE vipward_vip_announcements_total counter
vipward_vip_announcements_total{vrid="100",kind="garp_request"} 8
vipward_vip_announcements_total{vrid="100",kind="garp_reply"} 9
vipward_vip_announcements_total{vrid="100",kind="unsolicited_na"} 10
)");
}

TEST_CASE("a virtual address that has never changed its state has no time of it") {
  Snapshot snapshot = sample_snapshot();
  snapshot.vip = sample_vip();
  snapshot.vip->last_transition = {};
  CHECK(samples(snapshot).find("vip_last_transition") == std::string::npos);
}

TEST_CASE("large counts keep their digits") {
  Snapshot snapshot = sample_snapshot();
  snapshot.services[0].backends[0].bytes_to_client = 9007199254740991;  // 2^53 - 1
  CHECK(samples(snapshot).find("direction=\"to_client\"} 9007199254740991\n") != std::string::npos);
}

TEST_CASE("label values are escaped") {
  Snapshot snapshot = sample_snapshot();
  snapshot.services[0].name = "a\"b\\c\nd";
  CHECK(samples(snapshot).find(R"(vipward_connections_active{service="a\"b\\c\nd"} 3)") != std::string::npos);
}

TEST_CASE("the process statistics are those of this process") {
  const ProcessStats before = read_process_stats();
  CHECK(before.open_fds >= 3);
  CHECK(before.max_fds >= before.open_fds);
  CHECK(before.resident_memory_bytes > 1000000);
  CHECK(before.virtual_memory_bytes >= before.resident_memory_bytes);
  const std::ifstream one_more("/proc/self/stat");
  CHECK(read_process_stats().open_fds == before.open_fds + 1);
}
