// What is drained, and what departs, as the pages show it.
#include "lb/app/snapshot_builder.h"

#include <doctest/doctest.h>

#include "tests/unit/app/two_services.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1000s};
// 2026-11-25T09:12:16.250Z
constexpr std::int64_t kWallMs = 1'795'597'936'250;
constexpr Standings::WallTime kWall{std::chrono::milliseconds(kWallMs)};

struct Proxy {
  EffectiveServices services;
  Standings standings;
  ProxyLoad load;
  std::vector<std::vector<BackendHealth>> health;

  explicit Proxy(const std::vector<channel::DepartingBackend>& departing)
      : services(effective_services(two_services(), departing)), standings(services, kNow, kWall) {
    for (const ServiceConfig& service : services.services) {
      load.services.emplace_back(service.backends.size());
      health.emplace_back(service.backends.size());
      for (BackendHealth& of : health.back()) of = healthy();
    }
  }
  static BackendHealth healthy() {
    BackendHealth health;
    health.state = BackendState::Ready;
    health.reason = "GET /readyz: 200";
    health.last_check.emplace().result = CheckResult::Ready;
    return health;
  }
  void connect(std::size_t service, std::size_t backend, std::uint32_t sessions) {
    load.services[service].sessions += sessions;
    load.services[service].backends[backend] += sessions;
  }
  Snapshot snapshot() const { return SnapshotBuilder(services, "hash", health, standings, load).finish(); }
};

TEST_CASE("a drained backend says since when and until when, and what its checks say still shows") {
  Proxy proxy({});
  proxy.standings.set_drains(
      {{.service = 0, .backend = 0, .since_unix_ms = kWallMs},
       {.service = 0, .backend = 1, .since_unix_ms = kWallMs, .deadline_unix_ms = kWallMs + 90'000}},
      kNow, kWall);
  proxy.connect(0, 0, 3);
  const Snapshot snapshot = proxy.snapshot();
  const BackendStatus& without = snapshot.services[0].backends[0];
  CHECK(without.state == BackendState::Drained);
  CHECK(without.since == kWall);
  CHECK(without.reason == "drained by the operator since 2026-11-25T09:12:16Z");
  CHECK(without.connections == 3);
  REQUIRE(without.last_check);
  CHECK(without.last_check->result == "ready");
  REQUIRE(without.drain);
  CHECK_FALSE(without.drain->deadline);
  CHECK_FALSE(without.drain->removed);
  const BackendStatus& with = snapshot.services[0].backends[1];
  CHECK(
      with.reason ==
      "drained by the operator since 2026-11-25T09:12:16Z, its sessions are closed from 2026-11-25T09:13:46Z "
      "on");
  CHECK(with.drain->deadline == kWall + 90s);
  CHECK_FALSE(snapshot.services[1].backends[0].drain);
  CHECK(snapshot.services[1].backends[0].state == BackendState::Ready);
}

TEST_CASE("what departs shows while it has sessions, and its service with it") {
  Proxy proxy({{"api", "master-3", "10.0.0.13:6443", nanoseconds(kNow + 130s)},
               {"old", "a", "10.0.0.1:6443", nanoseconds(kNow + 130s)}});
  CHECK(proxy.snapshot().services.size() == 2);
  CHECK(proxy.snapshot().services[0].backends.size() == 2);
  proxy.connect(0, 2, 1);
  proxy.connect(2, 0, 2);
  const Snapshot snapshot = proxy.snapshot();
  REQUIRE(snapshot.services.size() == 3);
  CHECK_FALSE(snapshot.services[0].departing);
  CHECK(snapshot.services[2].departing);
  CHECK(snapshot.services[2].name == "old");
  REQUIRE(snapshot.services[0].backends.size() == 3);
  const BackendStatus& removed = snapshot.services[0].backends[2];
  CHECK(removed.name == "master-3");
  CHECK(removed.state == BackendState::Drained);
  CHECK(removed.reason ==
        "removed from the configuration, its sessions are closed from 2026-11-25T09:14:26Z on");
  CHECK(removed.drain->removed);
  CHECK(removed.since == WallTime{});
}

TEST_CASE("a backend that left its name to another address is told apart: labels of metrics must differ") {
  Proxy proxy({{"api", "master-1", "10.0.0.9:6443", nanoseconds(kNow + 130s)},
               {"api", "master-1", "10.0.0.8:6443", nanoseconds(kNow + 130s)},
               {"api", "master-3", "10.0.0.7:6443", nanoseconds(kNow + 130s)}});
  for (const std::size_t backend : {2U, 3U, 4U}) proxy.connect(0, backend, 1);
  const Snapshot snapshot = proxy.snapshot();
  std::vector<std::string> names;
  for (const BackendStatus& backend : snapshot.services[0].backends) names.push_back(backend.name);
  CHECK(names == std::vector<std::string>{"master-1", "master-2", "master-1 (10.0.0.9:6443)",
                                          "master-1 (10.0.0.8:6443)", "master-3"});
}

}  // namespace
}  // namespace vipward
