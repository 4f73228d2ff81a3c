#include "lb/admin/endpoints.h"

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <utility>

#include "tests/unit/admin/sample_snapshot.h"

using namespace vipward;

namespace {

struct Fixture {
  Snapshot snapshot = sample_snapshot();
  int asked = 0;
  Endpoints endpoints{[this] {
    ++asked;
    return snapshot;
  }};
  HttpResponse get(std::string path) {
    return endpoints.handle({.method = HttpMethod::Get, .path = std::move(path), .keep_alive = true});
  }
};

}  // namespace

TEST_CASE("every endpoint of the contract answers") {
  Fixture fixture;
  CHECK(fixture.get("/metrics").status == 200);
  CHECK(fixture.get("/metrics").content_type == "text/plain; version=0.0.4; charset=utf-8");
  CHECK(fixture.get("/livez").body == "ok\n");
  CHECK(fixture.get("/readyz").status == 200);
  CHECK(fixture.get("/api/v1/status").status == 200);
  CHECK(fixture.get("/api/v1/status").content_type == "application/json");
  CHECK(fixture.get("/").status == 200);
}

TEST_CASE("liveness asks nobody") {
  Fixture fixture;
  fixture.get("/livez");
  CHECK(fixture.asked == 0);
}

TEST_CASE("readyz answers 503 without a living backend") {
  Fixture fixture;
  fixture.snapshot.services[0].backends[0].state = BackendState::Unknown;
  const HttpResponse response = fixture.get("/readyz");
  CHECK(response.status == 503);
  CHECK(response.body ==
        "not ready: no living backend for kube-apiserver\n"
        "kube-apiserver: no living backend: 0 of 2 backends ready (1 unknown, 1 dead)\n");
}

TEST_CASE("an unknown path gets the list of the known ones") {
  Fixture fixture;
  for (const char* path :
       {"/healthz", "/metrics/", "/api/v1/status/x", "/api/v1/sessions", "//", "/%6detrics"}) {
    const HttpResponse response = fixture.get(path);
    CHECK(response.status == 404);
    CHECK(response.body ==
          "not found; there are:\n"
          "\n"
          "/metrics          metrics for Prometheus\n"
          "/livez            200 while this process works\n"
          "/readyz           200 while every service has a living backend, else 503; says which has none\n"
          "/api/v1/status    services, backends and their checks as JSON\n");
  }
}

// As on the control socket.
struct WithSessions {
  std::function<void(std::string)> answer;  // what was asked for has not been answered yet
  Endpoints endpoints{[] { return sample_snapshot(); },
                      [this](std::function<void(std::string)> later) { answer = std::move(later); }};
  HttpResponse get(std::string path) {
    return endpoints.handle({.method = HttpMethod::Get, .path = std::move(path), .keep_alive = true});
  }
};

TEST_CASE("sessions are answered once they have been gathered") {
  WithSessions fixture;
  const HttpResponse response = fixture.get("/api/v1/sessions");
  REQUIRE(response.later);
  std::optional<HttpResponse> answered;
  response.later([&](HttpResponse answer) { answered = std::move(answer); });
  CHECK_FALSE(answered.has_value());
  REQUIRE(fixture.answer);
  fixture.answer("{\"sessions\": []}\n");
  REQUIRE(answered.has_value());
  CHECK(answered->status == 200);
  CHECK(answered->content_type == "application/json");
  CHECK(answered->body == "{\"sessions\": []}\n");
}

TEST_CASE("where there are sessions they are listed, and nothing else answers later") {
  WithSessions fixture;
  const std::string line = "/api/v1/sessions  who is connected as JSON\n";
  CHECK(fixture.get("/").body.ends_with(line));
  CHECK(fixture.get("/api/v1/sessions/").body.ends_with(line));
  for (const char* path : {"/", "/metrics", "/livez", "/readyz", "/api/v1/status", "/api/v1/sessions/"})
    CHECK_FALSE(fixture.get(path).later);
}
