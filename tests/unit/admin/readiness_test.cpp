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

TEST_CASE("one ready backend makes a service usable") {
  CHECK(has_usable_backend(service("s", {Dead, Ready, Dead})));
  CHECK(has_usable_backend(service("s", {Dead, Ready, Dead}, true)));
}

TEST_CASE("a not_ready backend counts only where it would get sessions") {
  CHECK(has_usable_backend(service("s", {NotReady, Dead})));
  CHECK_FALSE(has_usable_backend(service("s", {NotReady, Dead}, true)));
}

TEST_CASE("unknown, dead and drained backends do not make a service usable") {
  for (const bool refuses : {false, true})
    CHECK_FALSE(has_usable_backend(service("s", {Unknown, Dead, Drained}, refuses)));
  CHECK_FALSE(has_usable_backend(service("s", {})));
}

TEST_CASE("readiness says ok and how many backends each service has") {
  const Readiness readiness = assess({service("api", {Ready, Ready, Dead}), service("join", {Ready})});
  CHECK(readiness.ready);
  CHECK(readiness.text ==
        "ok\n"
        "api: ok: 2 of 3 backends ready (1 dead)\n"
        "join: ok: 1 of 1 backends ready\n");
}

TEST_CASE("readiness names every service without a usable backend") {
  const Readiness readiness = assess({service("api", {Unknown, NotReady, Dead, Dead, Drained}, true),
                                      service("join", {Ready}), service("x", {Unknown})});
  CHECK_FALSE(readiness.ready);
  CHECK(readiness.text ==
        "not ready: no usable backend for api, x\n"
        "api: no usable backend: 0 of 5 backends ready (1 unknown, 1 not_ready, 2 dead, 1 drained)\n"
        "join: ok: 1 of 1 backends ready\n"
        "x: no usable backend: 0 of 1 backends ready (1 unknown)\n");
}

TEST_CASE("a process that stops is not ready") {
  const Readiness readiness = assess({service("api", {Ready})}, true);
  CHECK_FALSE(readiness.ready);
  CHECK(readiness.text == "not ready: stopping\napi: ok: 1 of 1 backends ready\n");
}
