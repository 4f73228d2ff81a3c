// Paths, statuses, connections and credentials, over plain HTTP: the same steps as over TLS.
#include <doctest/doctest.h>

#include "tests/component/health/bench.h"
#include "tests/support/fake_server.h"

namespace vipward::test {
namespace {

FakeServer::Script statuses(int healthz, int readyz) {
  return http_script([healthz, readyz](const std::string& request) {
    return http_response(request_path(request) == "/readyz" ? readyz : healthz);
  });
}

ServiceConfig http_service(const FakeServer& server) {
  return Bench::service(server.address(), CheckProtocol::Http);
}

}  // namespace

TEST_CASE("http: every path is asked on one connection, and expected statuses are ready") {
  FakeServer server({}, statuses(200, 200));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.last().detail == "GET /healthz: 200, GET /readyz: 200");
  CHECK(bench.last().phase == CheckPhase::Response);
  CHECK(bench.run_until([&] { return !server.finished().empty(); }));
  const FakeConnectionRecord first = server.finished().front();
  REQUIRE(first.requests.size() == 2);
  CHECK_FALSE(first.reset);
  CHECK(first.requests[0].starts_with("GET /healthz HTTP/1.1\r\nHost: " + server.address().to_string() +
                                      "\r\n"));
  CHECK(first.requests[1].starts_with("GET /readyz HTTP/1.1\r\n"));
  CHECK(bench.run_until_logged("from=unknown to=ready"));
}

TEST_CASE("http: `paths` and `expected_status` say what is asked and what is well") {
  FakeServer server({}, statuses(204, 200));
  ServiceConfig service = http_service(server);
  service.health_check.paths = {"/livez?exclude=etcd"};
  service.health_check.expected_status = {204, 429};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.last().detail == "GET /livez?exclude=etcd: 204");
}

TEST_CASE("http: a 500 on /readyz alone makes not_ready at once") {
  FakeServer server({}, statuses(200, 200));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_state(BackendState::Ready));
  server.set_script(statuses(200, 500));
  CHECK(bench.run_until_state(BackendState::NotReady));
  CHECK(bench.health().checks[static_cast<std::size_t>(CheckResult::NotReady)] == 1);
  CHECK(bench.health().reason == "GET /healthz: 200, GET /readyz: 500");
  server.set_script(statuses(200, 200));
  CHECK(bench.run_until_state(BackendState::Ready));
}

TEST_CASE("http: a 500 on every path makes not_ready after `fall` checks, never dead") {
  FakeServer server({}, statuses(200, 200));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_state(BackendState::Ready));
  server.set_script(statuses(500, 500));
  CHECK(bench.run_until_state(BackendState::NotReady));
  CHECK(bench.health().checks[static_cast<std::size_t>(CheckResult::NotReady)] == 3);
  CHECK(bench.run_until_checked(bench.checks() + 5));
  CHECK(bench.health().state == BackendState::NotReady);
}

TEST_CASE("http: a server that closes after each response gets a connection per path in the same check") {
  FakeServer server(
      {}, http_script([](const std::string&) { return http_response(200, "Connection: close\r\n"); }));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_checked());
  CHECK(bench.health().state == BackendState::Ready);
  CHECK(server.requests().size() >= 2);
  CHECK(bench.run_until([&] { return server.finished().size() >= 2; }));
  CHECK(server.finished()[0].requests.size() == 1);
}

TEST_CASE("http: a server that closes a kept connection without a word is asked again on a new one") {
  FakeServer server({}, [](FakeConnection& connection) {
    connection.read_request();
    connection.write(http_response(200));
  });
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_checked());
  CHECK(bench.last().detail == "GET /healthz: 200, GET /readyz: 200");
}

TEST_CASE("http: a check of which one path was answered is never without an answer") {
  FakeServer server({}, [](FakeConnection& connection) {
    connection.read_request();
    connection.write(http_response(200));
    connection.hold();
  });
  ServiceConfig service = http_service(server);
  service.health_check.response_timeout = Millis{100};
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_checked());
  CHECK(bench.last().result == CheckResult::NotReady);
  CHECK(bench.last().detail == "response: GET /readyz: no answer within 100ms (GET /healthz: 200)");
}

TEST_CASE("http: a 401 says in detail and log what to configure, in the log once") {
  FakeServer server({}, statuses(401, 401));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_checked(5));
  CHECK(bench.health().state == BackendState::NotReady);
  CHECK(bench.last().detail ==
        "GET /healthz: 401, GET /readyz: 401: the apiserver wants credentials: set "
        "health_check.tls.certificate_file "
        "and key_file, or bearer_token_file");
  CHECK(bench.run_until_logged("health check is not authorized"));
  CHECK(bench.logged("health check is not authorized") == 1);
}

TEST_CASE("http: the bearer token is sent, and changed by set_material") {
  FakeServer server({}, http_script([](const std::string& request) {
                      return http_response(
                          request.find("\r\nAuthorization: Bearer two\r\n") != std::string::npos ? 200 : 401);
                    }));
  Bench bench;
  bench.start(http_service(server), {.bearer_token = "one"});
  CHECK(bench.run_until_state(BackendState::NotReady));
  CHECK(server.requests()[0].find("\r\nAuthorization: Bearer one\r\n") != std::string::npos);
  CHECK(bench.monitor().set_material(0, {.bearer_token = "two"}) == "");
  CHECK(bench.run_until_state(BackendState::Ready));
}

TEST_CASE("http: a token that would break the request is refused, and the old one kept") {
  FakeServer server({}, statuses(200, 200));
  Bench bench;
  bench.start(http_service(server), {.bearer_token = "one"});
  CHECK(bench.monitor().set_material(0, {.bearer_token = "two\r\nX: y"}) ==
        "bearer_token_file: holds characters that no token has (spaces, line ends, not ASCII)");
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(server.requests()[0].find("\r\nAuthorization: Bearer one\r\n") != std::string::npos);
}

TEST_CASE("http: the Date header gives the clock skew") {
  FakeServer server({}, http_script([](const std::string&) {
                      return http_response(200, "Date: Thu, 01 Jan 2099 00:00:00 GMT\r\n");
                    }));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_checked());
  REQUIRE(bench.health().clock_skew_seconds);
  const std::chrono::sys_seconds theirs = std::chrono::sys_days{std::chrono::year{2099} / 1 / 1};
  const double expected = std::chrono::duration<double>(theirs - std::chrono::system_clock::now()).count();
  CHECK(*bench.health().clock_skew_seconds == doctest::Approx(expected).epsilon(1e-6));
}

TEST_CASE("http: phases that completed are measured") {
  FakeServer server({}, statuses(200, 200));
  Bench bench;
  bench.start(http_service(server));
  CHECK(bench.run_until_checked(2));
  const BackendHealth health = bench.health();
  CHECK(health.durations[static_cast<std::size_t>(CheckPhase::Connect)].total() >= 2);
  CHECK(health.durations[static_cast<std::size_t>(CheckPhase::Tls)].total() == 0);
  CHECK(health.durations[static_cast<std::size_t>(CheckPhase::Response)].total() >= 4);
}

}  // namespace vipward::test
