// What the checks trust, show and refuse over TLS.
#include <doctest/doctest.h>

#include "tests/component/health/bench.h"
#include "tests/support/fake_server.h"

namespace vipward::test {
namespace {

FakeServer::Script all_well() {
  return http_script([](const std::string&) { return http_response(200); });
}

// A TLS server with a certificate for loopback, and the material that trusts it.
struct Pair {
  explicit Pair(FakeServer::Tls tls = {}, const FakeServer::Script& script = all_well()) {
    if (tls.certificate.certificate.empty()) tls.certificate = ca.issue_for_loopback();
    server = std::make_unique<FakeServer>(FakeServer::Options{.tls = tls}, script);
    material.ca_pem = ca.certificate_pem();
  }
  ServiceConfig service(CheckProtocol protocol = CheckProtocol::Https) const {
    return Bench::service(server->address(), protocol);
  }

  TestCa ca;
  std::unique_ptr<FakeServer> server;
  CheckMaterial material;
};

void check_never_dead(Bench& bench) {
  CHECK(bench.run_until_checked(5));
  CHECK(bench.health().state == BackendState::NotReady);
  for (const HealthChange& change : bench.changes()) CHECK(change.state != BackendState::Dead);
  CHECK(bench.run_until_logged("health check fails in TLS"));
  CHECK(bench.logged("health check fails in TLS") == 1);
}

}  // namespace

TEST_CASE("https: a backend with a good certificate and good answers is ready") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), pair.material);
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.last().detail == "GET /healthz: 200, GET /readyz: 200");
  CHECK(bench.health().durations[static_cast<std::size_t>(CheckPhase::Tls)].total() == 1);
}

TEST_CASE("https: every check ends with close_notify, none with a reset, and h2 is never offered") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), pair.material);
  CHECK(bench.run_until([&] { return pair.server->finished().size() >= 5; }));
  for (const FakeConnectionRecord& connection : pair.server->finished()) {
    CHECK(connection.secure);
    CHECK(connection.close_notify);
    CHECK_FALSE(connection.reset);
    CHECK(connection.alpn_offered == "\x08http/1.1");
    CHECK(connection.sni.empty());
  }
}

TEST_CASE("tls: a completed handshake is ready, and ends in order") {
  const Pair pair({}, silent_script());
  Bench bench;
  bench.start(pair.service(CheckProtocol::Tls), pair.material);
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.last().detail == "TLS handshake completed");
  CHECK(bench.run_until([&] { return pair.server->finished().size() >= 3; }));
  for (const FakeConnectionRecord& connection : pair.server->finished()) {
    CHECK(connection.close_notify);
    CHECK_FALSE(connection.reset);
    CHECK(connection.alpn_offered.empty());
  }
}

TEST_CASE("sessions are resumed after the first check, in TLS 1.3 and 1.2, over https and tls") {
  for (const bool only_tls12 : {false, true}) {
    for (const CheckProtocol protocol : {CheckProtocol::Https, CheckProtocol::Tls}) {
      CAPTURE(only_tls12);
      const FakeServer::Script script = protocol == CheckProtocol::Https ? all_well() : silent_script();
      const Pair pair({.certificate = {}, .only_tls12 = only_tls12}, script);
      Bench bench;
      bench.start(pair.service(protocol), pair.material);
      CHECK(bench.run_until([&] { return pair.server->finished().size() >= 4; }));
      const auto connections = pair.server->finished();
      CHECK_FALSE(connections[0].session_reused);
      for (std::size_t i = 1; i < connections.size(); ++i) CHECK(connections[i].session_reused);
      CHECK(bench.health().certificate_expiry.has_value());
    }
  }
}

TEST_CASE("changed material ends the resumption of sessions") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), pair.material);
  CHECK(bench.run_until([&] { return pair.server->finished().size() >= 3; }));
  CheckMaterial changed = pair.material;
  changed.bearer_token = "new";
  CHECK(bench.monitor().set_material(0, changed) == "");
  const auto begins_anew = [&] {
    const auto connections = pair.server->finished();
    for (const auto& connection : connections) {
      const bool is_new = connection.requests.at(0).find("Bearer new") != std::string::npos;
      if (is_new) return !connection.session_reused;
    }
    return false;
  };
  CHECK(bench.run_until(begins_anew));
}

TEST_CASE("an unknown authority makes not_ready, never dead; detail and log say TLS") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), {.ca_pem = TestCa("another CA").certificate_pem()});
  check_never_dead(bench);
  CHECK(bench.last().phase == CheckPhase::Tls);
  CHECK(bench.last().detail ==
        "TLS: certificate signed by unknown authority: unable to get local issuer certificate");
  CHECK(bench.logged("reason=\"TLS: certificate signed by unknown authority") >= 1);
  CHECK(bench.health().certificate_expiry.has_value());
}

TEST_CASE("an authority of the same name but another key is unknown, too") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), {.ca_pem = TestCa().certificate_pem()});
  check_never_dead(bench);
  CHECK(bench.last().detail.starts_with("TLS: certificate signed by unknown authority: "));
}

TEST_CASE("a certificate for another address says which one was expected and what it holds") {
  const TestCa ca;
  const FakeServer::Tls tls{.certificate = ca.issue({.common_name = "127.0.0.1",
                                                     .ips = {"10.96.0.1", "fd00::1"},
                                                     .dns = {"kubernetes", "kubernetes.default"}})};
  const FakeServer server({.tls = tls}, all_well());
  Bench bench;
  bench.start(Bench::service(server.address()), {.ca_pem = ca.certificate_pem()});
  check_never_dead(bench);
  CHECK(bench.last().detail ==
        "TLS: certificate is not valid for 127.0.0.1, only for 10.96.0.1, fd00::1, kubernetes, "
        "kubernetes.default");
}

TEST_CASE("`server_name` is the name that is verified, and the SNI that the server sees") {
  const TestCa ca;
  const FakeServer server({.tls = FakeServer::Tls{.certificate = ca.issue({.dns = {"api.example.org"}})}},
                          all_well());
  ServiceConfig service = Bench::service(server.address());
  service.health_check.tls.server_name = "api.example.org";
  Bench bench;
  bench.start(service, {.ca_pem = ca.certificate_pem()});
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.run_until([&] { return !server.finished().empty(); }));
  CHECK(server.finished()[0].sni == "api.example.org");
  const std::string host = "\r\nHost: api.example.org:" + std::to_string(server.address().port()) + "\r\n";
  CHECK(server.requests()[0].find(host) != std::string::npos);

  service.health_check.tls.server_name = "other.example.org";
  Bench other;
  other.start(service, {.ca_pem = ca.certificate_pem()});
  CHECK(other.run_until_state(BackendState::NotReady));
  CHECK(other.last().detail ==
        "TLS: certificate is not valid for other.example.org, only for api.example.org");
}

TEST_CASE("a `server_name` that is an address is verified as one, without SNI") {
  const TestCa ca;
  const FakeServer server({.tls = FakeServer::Tls{.certificate = ca.issue({.ips = {"10.96.0.1"}})}},
                          all_well());
  ServiceConfig service = Bench::service(server.address());
  service.health_check.tls.server_name = "10.96.0.1";
  Bench bench;
  bench.start(service, {.ca_pem = ca.certificate_pem()});
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.run_until([&] { return !server.finished().empty(); }));
  CHECK(server.finished()[0].sni.empty());
}

TEST_CASE("an expired certificate makes not_ready and still gives its expiry") {
  const TestCa ca;
  const auto expired =
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) - std::chrono::minutes{1};
  const FakeServer server(
      {.tls = FakeServer::Tls{.certificate = ca.issue({.ips = {"127.0.0.1"}, .not_after = expired})}},
      all_well());
  Bench bench;
  bench.start(Bench::service(server.address()), {.ca_pem = ca.certificate_pem()});
  check_never_dead(bench);
  CHECK(bench.last().detail == "TLS: certificate not accepted: certificate has expired");
  CHECK(bench.health().certificate_expiry == expired);
}

TEST_CASE("the expiry of the serving certificate is known") {
  const TestCa ca;
  const auto tomorrow =
      std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + std::chrono::hours{30};
  const FakeServer server(
      {.tls = FakeServer::Tls{.certificate = ca.issue({.ips = {"127.0.0.1"}, .not_after = tomorrow})}},
      all_well());
  Bench bench;
  bench.start(Bench::service(server.address()), {.ca_pem = ca.certificate_pem()});
  CHECK(bench.run_until_checked());
  CHECK(bench.health().certificate_expiry == tomorrow);
}

TEST_CASE("`insecure_skip_verify` needs no CA and accepts any certificate") {
  const Pair pair({.certificate = TestCa("nobody").issue({.dns = {"elsewhere"}})});
  ServiceConfig service = pair.service();
  service.health_check.tls.insecure_skip_verify = true;
  Bench bench;
  bench.start(service);
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.health().certificate_expiry.has_value());
}

TEST_CASE("a required client certificate: without one not_ready and told what to set, with one ready") {
  for (const bool only_tls12 : {false, true}) {
    CAPTURE(only_tls12);
    const TestCa clients("client CA");
    const Pair pair(
        {.certificate = {}, .client_ca_pem = clients.certificate_pem(), .only_tls12 = only_tls12});
    Bench bench;
    bench.start(pair.service(), pair.material);
    check_never_dead(bench);
    CHECK(bench.last().phase == (only_tls12 ? CheckPhase::Tls : CheckPhase::Response));
    CHECK(bench.last().detail.starts_with("TLS: the server refuses the connection: "));
    CHECK(bench.last().detail.ends_with(
        ": it may want a client certificate: set health_check.tls.certificate_file and key_file"));

    CheckMaterial material = pair.material;
    const CertificateAndKey client = clients.issue({.common_name = "health-check", .for_client = true});
    material.certificate_pem = client.certificate;
    material.key_pem = client.key;
    CHECK(bench.monitor().set_material(0, material) == "");
    CHECK(bench.run_until_state(BackendState::Ready));
    CHECK(
        bench.run_until([&] { return pair.server->finished().back().client_common_name == "health-check"; }));
  }
}

TEST_CASE("material that is wrong is refused with a reason, and the old one kept") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), pair.material);
  CHECK(bench.run_until_state(BackendState::Ready));
  CHECK(bench.monitor().set_material(0, {.ca_pem = "junk"}) == "ca_file: holds no certificate in PEM form");
  CHECK(bench.run_until_checked(bench.checks() + 3));
  CHECK(bench.health().state == BackendState::Ready);
}

TEST_CASE("a renewed CA is used from the next check on") {
  const Pair pair;
  Bench bench;
  bench.start(pair.service(), {.ca_pem = TestCa("old CA").certificate_pem()});
  CHECK(bench.run_until_state(BackendState::NotReady));
  CHECK(bench.monitor().set_material(0, pair.material) == "");
  CHECK(bench.run_until_state(BackendState::Ready));
}

}  // namespace vipward::test
