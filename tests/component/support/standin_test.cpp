// The stand-in apiserver, and with it the HTTP client and the prober.
#include <doctest/doctest.h>
#include <signal.h>

#include <list>

#include "tests/support/http_client.h"
#include "tests/support/network.h"
#include "tests/support/prober.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_pki.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// A stand-in on loopback and a client's view of it.
class Fixture {
 public:
  explicit Fixture(const std::vector<std::string>& more_arguments = {}) {
    const CertificateAndKey server = ca_.issue_for_loopback();
    folder_.file("ca.crt", ca_.certificate_pem());
    folder_.file("server.crt", server.certificate);
    folder_.file("server.key", server.key);
    std::vector<std::string> argv{STANDIN_APISERVER,
                                  "--listen",
                                  "127.0.0.1:0",
                                  "--name",
                                  "master-1",
                                  "--cert",
                                  folder_.file("server.crt"),
                                  "--key",
                                  folder_.file("server.key")};
    for (const std::string& argument : more_arguments) argv.push_back(argument);
    for (std::string& argument : argv) {
      if (argument == "CLIENT_CA") argument = folder_.file("ca.crt");
    }
    process_.emplace(argv);
    REQUIRE(process_->wait_for_line("^listening on ", 5s));
    const std::string line = process_->standard_output();
    address_ = *SocketAddress::parse(line.substr(13, line.find('\n') - 13));
  }

  std::shared_ptr<const ClientTlsContext> tls(bool with_certificate = false) const {
    ClientTls tls{.ca_pem = ca_.certificate_pem()};
    if (with_certificate) {
      const CertificateAndKey client = ca_.issue({.common_name = "client", .for_client = true});
      tls.certificate_pem = client.certificate;
      tls.key_pem = client.key;
    }
    return std::make_shared<ClientTlsContext>(tls);
  }
  HttpClient client() const { return HttpClient({.address = address_, .tls = tls()}); }
  const SocketAddress& address() const { return address_; }
  Process& process() { return *process_; }

 private:
  TestCa ca_;
  TempDir folder_;
  std::optional<Process> process_;
  SocketAddress address_;
};

TEST_CASE("the stand-in answers like an apiserver, on one connection and on many") {
  Fixture server;
  HttpClient client = server.client();
  CHECK(client.get("/healthz").body == "ok");
  CHECK(client.get("/readyz").status == 200);
  CHECK(client.get("/whoami").body == "master-1\n");
  CHECK(client.get("/").body == "master-1\n");
  CHECK(client.get("/nonsense").status == 404);
  CHECK(client.get("/stream?bytes=300000").body.size() == 300000);

  SUBCASE("its checks can be made to fail, and to be slow") {
    CHECK(client.send({.method = "PUT", .path = "/control?readyz=500&delay_ms=50"}).status == 200);
    const HttpResponse ready = client.get("/readyz");
    CHECK(ready.status == 500);
    CHECK(ready.duration >= 50ms);
    CHECK(client.get("/healthz").status == 200);
    CHECK(client.get("/whoami").status == 200);
  }
  SUBCASE("a watch goes on until the server is killed, and a client sees that as an end or a reset") {
    REQUIRE(client.open({.path = "/watch"}).status == 200);
    CHECK(client.read_line(2s).text == "{\"from\":\"master-1\",\"event\":1}");
    CHECK(client.read_line(2s).text == "{\"from\":\"master-1\",\"event\":2}");
    server.process().kill();
    const ClientError end = client.wait_for_end(2s);
    CHECK((end == ClientError::Closed || end == ClientError::Reset));
    CHECK(server.client().connect() == ClientError::Refused);
  }
  SUBCASE("plain HTTP and plain bytes are answered on the same port") {
    CHECK(http_get({.address = server.address()}, "/whoami").body == "master-1\n");
    Prober prober({.target = server.address(), .limit = 2000ms});
    CHECK(wait_until([&] { return prober.answers()["master-1"] >= 10; }, 5s));
  }
  SUBCASE("SIGTERM ends it with exit code 0 at once") {
    server.process().signal(SIGTERM);
    CHECK(server.process().wait(1s) == 0);
  }
}

TEST_CASE("with --client-ca a request without a certificate gets 401") {
  const Fixture server({"--client-ca", "CLIENT_CA", "--token", "secret"});
  CHECK(server.client().get("/healthz").status == 401);
  HttpClient known({.address = server.address(), .tls = server.tls(true)});
  CHECK(known.get("/healthz").status == 200);
  HttpClient bearer(
      {.address = server.address(), .tls = server.tls(), .headers = {{"Authorization", "Bearer secret"}}});
  CHECK(bearer.get("/healthz").status == 200);
}

TEST_CASE("a certificate that does not verify is a TLS error with the reason") {
  const Fixture server;
  const Fixture other;
  HttpClient client({.address = server.address(), .tls = other.tls()});
  CHECK(client.connect() == ClientError::Tls);
  CHECK(client.detail() == "unable to get local issuer certificate");
}

TEST_CASE("two thousand connections at once are served") {
  const Fixture server;
  std::list<HttpClient> clients;
  unsigned answered = 0;
  for (int i = 0; i < 2000; ++i) {
    HttpClient& client = clients.emplace_back(HttpClient::Options{.address = server.address()});
    if (client.get("/whoami").is_ok()) ++answered;
  }
  for (HttpClient& client : clients) {
    if (client.is_connected() && client.get("/whoami").is_ok()) ++answered;
  }
  CHECK(answered == 4000);
}

TEST_CASE("a prober counts answers by backend, failures by kind, and the longest gap") {
  Fixture server;
  Prober prober({.target = server.address(), .tls = server.tls(), .limit = 1000ms});
  REQUIRE(wait_until([&] { return prober.answered() >= 50; }, 10s));
  CHECK(prober.failures_by_kind() == "none");

  server.process().signal(SIGSTOP);
  // Probes time out while the kernel still completes their connections.
  REQUIRE(wait_until([&] { return !prober.failures().empty(); }, 10s));
  server.process().signal(SIGCONT);
  const auto answered = prober.answered();
  REQUIRE(wait_until([&] { return prober.answered() > answered + 10; }, 10s));
  CHECK(prober.failures().front().error == ClientError::Timeout);
  CHECK(prober.longest_gap() >= 900ms);
  CHECK(prober.answers().at("master-1") == prober.answered());

  server.process().kill();
  const auto killed = Prober::Clock::now();
  REQUIRE(wait_until([&] { return prober.failures_since(killed).size() >= 10; }, 10s));
  CHECK(prober.failures_since(killed).front().error == ClientError::Refused);
  prober.stop();
  const auto gap = prober.longest_gap();
  CHECK(prober.longest_gap() == gap);
}

}  // namespace
}  // namespace vipward::test
