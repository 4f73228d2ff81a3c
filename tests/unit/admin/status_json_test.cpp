#include "lb/admin/status_json.h"

#include <doctest/doctest.h>

#include "tests/unit/admin/sample_snapshot.h"

using namespace vipward;

TEST_CASE("the status is the JSON of the contract") {
  CHECK(render_status(sample_snapshot(), at(1795338751500)) == R"({
  "version": "0.1.0",
  "revision": "abc1234",
  "generation": 1,
  "time": "2026-11-22T09:12:31.500Z",
  "started_at": "2026-11-22T08:12:31.000Z",
  "uptime_seconds": 3600,
  "config_hash": "0123456789abcdef",
  "config_loaded_at": "2026-11-22T08:12:31.250Z",
  "last_reload_successful": true,
  "stopping": false,
  "vip": null,
  "services": [
    {
      "name": "kube-apiserver",
      "listen": [
        "10.0.0.100:6443"
      ],
      "departing": false,
      "usable": true,
      "accepting": true,
      "when_none_ready": "fail_open",
      "lost_listeners": 0,
      "connections": 3,
      "connections_limit": 15000,
      "connections_accepted": 43,
      "backends": [
        {
          "name": "master-1",
          "address": "10.0.0.11:6443",
          "state": "ready",
          "since": "2026-11-22T09:00:00.000Z",
          "reason": "2 checks in a row ready",
          "connections": 3,
          "connections_total": 40,
          "connect_failures": 0,
          "certificate_expires_at": "2027-11-22T09:12:31.000Z",
          "clock_skew_seconds": -0.25,
          "check_impossible": null,
          "drained": null,
          "last_check": {
            "ended_at": "2026-11-22T09:12:30.500Z",
            "result": "ready",
            "phase": "response",
            "detail": "/readyz: 200",
            "duration_seconds": 0.004
          }
        },
        {
          "name": "master-2",
          "address": "10.0.0.12:6443",
          "state": "dead",
          "since": "2026-11-22T09:12:31.123Z",
          "reason": "connect: refused",
          "connections": 0,
          "connections_total": 0,
          "connect_failures": 2,
          "certificate_expires_at": null,
          "clock_skew_seconds": null,
          "check_impossible": "Too many open files",
          "drained": null,
          "last_check": null
        }
      ]
    }
  ]
}
)");
}

TEST_CASE("the status says where the virtual address is, and why") {
  Snapshot snapshot = sample_snapshot();
  snapshot.vip = sample_vip();
  const std::string whole = render_status(snapshot, at(1795338751500));
  CHECK(whole.find(R"(
  "vip": {
    "state": "backup",
    "priority": 150,
    "virtual_router_id": 100,
    "addresses": [
      "10.0.0.100/24",
      "10.0.0.101/24"
    ],
    "interface": "eth0",
    "since": "2026-11-22T09:00:00.000Z",
    "reason": "heard 10.0.0.21 with priority 200",
    "peer": "10.0.0.21",
    "peer_heard_at": "2026-11-22T09:12:31.400Z",
    "contested": true,
    "warning": "10.0.0.21 and 10.0.0.23 both advertise"
  },
)") != std::string::npos);
  snapshot.vip->peer.clear();
  snapshot.vip->peer_heard_at = {};
  snapshot.vip->warning.clear();
  const std::string bare = render_status(snapshot, at(1795338751500));
  CHECK(bare.find(R"(
    "peer": null,
    "peer_heard_at": null,
    "contested": true,
    "warning": null
)") != std::string::npos);
}

TEST_CASE("what a backend sent stays inside its string") {
  Snapshot snapshot = sample_snapshot();
  snapshot.services[0].backends[1].reason = "\"}\n\xff\x1b[31m";
  CHECK(render_status(snapshot, at(1795338751500)).find("\"reason\": \"\\\"}\\n\xEF\xBF\xBD\\u001b[31m\"") !=
        std::string::npos);
}

TEST_CASE("a service that refuses with nothing ready is not usable, though its backends live") {
  Snapshot snapshot = sample_snapshot();
  snapshot.services[0].backends[0].state = BackendState::NotReady;
  const auto says = [&](const char* text) {
    return render_status(snapshot, at(1795338751500)).find(text) != std::string::npos;
  };
  CHECK(says("\"usable\": true"));
  snapshot.services[0].refuses_when_none_ready = true;
  CHECK(says("\"usable\": false"));
}

TEST_CASE("a time that was never set is null") {
  Snapshot snapshot = sample_snapshot();
  snapshot.services[0].backends[1].since = {};
  CHECK(render_status(snapshot, at(1795338751500)).find("\"since\": null") != std::string::npos);
}

TEST_CASE("what is drained says since when, until when, and by whom") {
  Snapshot snapshot = sample_snapshot();
  snapshot.services[0].departing = true;
  snapshot.last_reload_successful = false;
  BackendStatus& backend = snapshot.services[0].backends[0];
  backend.state = BackendState::Drained;
  backend.drain = DrainStatus{.since = at(1795338000000), .deadline = at(1795338600000), .removed = false};
  const auto says = [&](const char* text) {
    return render_status(snapshot, at(1795338751500)).find(text) != std::string::npos;
  };
  CHECK(says("\"departing\": true"));
  CHECK(says("\"last_reload_successful\": false"));
  CHECK(says("\"state\": \"drained\""));
  CHECK(says(R"(
          "drained": {
            "since": "2026-11-22T09:00:00.000Z",
            "deadline": "2026-11-22T09:10:00.000Z",
            "removed": false
          },
)"));
  backend.drain = DrainStatus{.since = {}, .deadline = std::nullopt, .removed = true};
  CHECK(says(R"(
          "drained": {
            "since": null,
            "deadline": null,
            "removed": true
          },
)"));
}
