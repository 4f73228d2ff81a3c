#include "lb/admin/readiness.h"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace vipward;
using enum BackendState;

namespace {

ServiceStatus service(std::string name, std::initializer_list<BackendState> states, bool refuses = false) {
  ServiceStatus result;
  result.name = std::move(name);
  result.refuses_when_none_ready = refuses;
  for (const BackendState state : states) {
    BackendStatus backend;
    backend.state = state;
    result.backends.push_back(backend);
  }
  return result;
}

Readiness assess(std::initializer_list<ServiceStatus> services, bool stopping = false) {
  Snapshot snapshot;
  snapshot.services = services;
  snapshot.stopping = stopping;
  return assess_readiness(snapshot);
}

}  // namespace

TEST_CASE("one ready backend is enough to serve, and alive") {
  for (const bool refuses : {false, true}) {
    CHECK(serves_sessions(service("s", {Dead, Ready, Dead}, refuses)));
    CHECK(has_living_backend(service("s", {Dead, Ready, Dead}, refuses)));
  }
}

TEST_CASE("a not_ready backend serves only where it would get sessions, and is alive everywhere") {
  CHECK(serves_sessions(service("s", {NotReady, Dead})));
  CHECK_FALSE(serves_sessions(service("s", {NotReady, Dead}, true)));
  for (const bool refuses : {false, true}) CHECK(has_living_backend(service("s", {NotReady, Dead}, refuses)));
}

TEST_CASE("unknown, dead and drained backends neither serve nor live") {
  for (const bool refuses : {false, true}) {
    CHECK_FALSE(serves_sessions(service("s", {Unknown, Dead, Drained}, refuses)));
    CHECK_FALSE(has_living_backend(service("s", {Unknown, Dead, Drained}, refuses)));
  }
  CHECK_FALSE(serves_sessions(service("s", {})));
  CHECK_FALSE(has_living_backend(service("s", {})));
}

TEST_CASE("readiness says ok and how many backends each service has") {
  const Readiness readiness = assess({service("api", {Ready, Ready, Dead}), service("join", {Ready})});
  CHECK(readiness.ready);
  CHECK(readiness.text ==
        "ok\n"
        "api: ok: 2 of 3 backends ready (1 dead)\n"
        "join: ok: 1 of 1 backends ready\n");
}

TEST_CASE("readiness names every service without a living backend") {
  const Readiness readiness = assess({service("api", {Unknown, Dead, Dead, Drained}, true),
                                      service("join", {Ready}), service("x", {Unknown})});
  CHECK_FALSE(readiness.ready);
  CHECK(readiness.text ==
        "not ready: no living backend for api, x\n"
        "api: no living backend: 0 of 3 backends ready (1 unknown, 2 dead, 1 drained)\n"
        "join: ok: 1 of 1 backends ready\n"
        "x: no living backend: 0 of 1 backends ready (1 unknown)\n");
}

TEST_CASE("readiness is about the backends that are not drained, and not about what departs") {
  ServiceStatus api = service("api", {Ready, Ready, Drained, Drained});
  api.backends[2].drain = DrainStatus{};
  api.backends[3].drain = DrainStatus{.since = {}, .deadline = {}, .removed = true};
  ServiceStatus gone = service("gone", {Drained});
  gone.departing = true;
  gone.backends[0].drain = api.backends[3].drain;
  const Readiness readiness = assess({api, gone});
  CHECK(readiness.ready);
  CHECK(readiness.text == "ok\napi: ok: 2 of 2 backends ready (1 drained)\n");
}

TEST_CASE("a service whose backends are all drained has no living one") {
  const Readiness readiness = assess({service("api", {Drained, Drained})});
  CHECK_FALSE(readiness.ready);
  CHECK(readiness.text ==
        "not ready: no living backend for api\n"
        "api: no living backend: 0 of 0 backends ready (2 drained)\n");
}

// config/rke2.yaml when etcd has lost its quorum: on every host alike, so there is nowhere better to go.
TEST_CASE("a service that refuses because nothing is ready keeps its address where it is") {
  const Readiness readiness =
      assess({service("api", {NotReady, NotReady}), service("join", {NotReady, Dead}, true)});
  CHECK(readiness.ready);
  CHECK(readiness.text ==
        "ok\n"
        "api: ok: 0 of 2 backends ready (2 not_ready)\n"
        "join: alive, but refuses sessions: 0 of 2 backends ready (1 not_ready, 1 dead)\n");
}

TEST_CASE("a service that has lost a listener is not ready, however well its backends are") {
  ServiceStatus api = service("api", {Ready});
  api.lost_listeners = 1;
  const Readiness readiness = assess({api});
  CHECK_FALSE(readiness.ready);
  CHECK(readiness.text ==
        "not ready: a listener is lost of api\napi: a listener is lost: 1 of 1 backends ready\n");
}

TEST_CASE("readiness does not depend on where the virtual address is") {
  Snapshot snapshot;
  snapshot.services = {service("api", {Ready})};
  for (const char* state : {"init", "backup", "active", "fault"}) {
    snapshot.vip.emplace().state = state;
    CHECK(assess_readiness(snapshot).ready);
  }
}

TEST_CASE("a process that stops is not ready") {
  const Readiness readiness = assess({service("api", {Ready})}, true);
  CHECK_FALSE(readiness.ready);
  CHECK(readiness.text == "not ready: stopping\napi: ok: 1 of 1 backends ready\n");
}
