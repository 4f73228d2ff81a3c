// Certificates, tokens and authorities of the checks, and what happens when their files change.
#include <doctest/doctest.h>

#include "tests/support/test_pki.h"
#include "tests/support/wait.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string token() {
  std::string text = read_file(Standins::pki_file("health.token"));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// The stand-ins ask for credentials, like an apiserver with --anonymous-auth=false.
std::vector<std::string> strict() {
  return {"--client-ca", Standins::pki_file("ca.crt"), "--token", token()};
}

TEST_CASE("a CA that is replaced on disk is picked up, and no session is reset meanwhile") {
  Standins rig;
  const std::string right = read_file(Standins::pki_file("ca.crt"));
  const std::string wrong = TestCa("other CA").certificate_pem();
  const std::string file = rig.folder().file("ca.crt", right);
  ConfigText config = rig.config();
  config.health_check["tls"] = "{ca_file: \"" + file + "\"}";
  Daemon& vipward = rig.start_ready_vipward(config);
  const auto session = rig.client_on("master-1");

  write_file(file, wrong);
  for (const std::string& name : rig.names()) CHECK(vipward.wait_for_state(name, "not_ready", 10s));
  const nlohmann::json check = vipward.backend_status("master-1").at("last_check");
  CHECK(check.at("phase") == "tls");
  CHECK_MESSAGE(contains(check.at("detail").get<std::string>(), "TLS"), check.dump());
  CHECK(vipward.metrics().value("vipward_health_checks_total",
                                {{"backend", "master-1"}, {"result", "not_ready"}}) >= 3);
  CHECK(vipward.process().count_lines("backend=master-1.*TLS") >= 1);
  CHECK(session->get("/whoami").body == "master-1\n");
  // fail_open: they are alive, and better than nothing.
  CHECK(rig.ask(10).contains("reset") == false);

  write_file(file, right);
  CHECK(vipward.wait_until_ready(rig.names(), 10s));
  CHECK(session->get("/whoami").body == "master-1\n");

  SUBCASE("a file that holds no certificate is said, and the old one stays in use") {
    write_file(file, "nonsense\n");
    CHECK(vipward.process().wait_for_line("check files changed but cannot be used", 10s));
    CHECK(vipward.wait_until_ready(rig.names(), 1s));
  }
}

TEST_CASE("a CA file that is missing or holds no certificate at the start is an error") {
  Standins rig;
  const std::string file = rig.folder().file("ca.crt");
  ConfigText config = rig.config();
  config.health_check["tls"] = "{ca_file: \"" + file + "\"}";
  SUBCASE("missing") {}
  SUBCASE("nonsense") {
    write_file(file, "nonsense\n");
  }
  Daemon& vipward = rig.start_vipward(config);
  CHECK(vipward.process().wait(5s) == 1);
  CHECK_MESSAGE(contains(vipward.log(), file), vipward.log());
  CHECK(rig.byte_client().connect() == ClientError::Refused);
}

TEST_CASE("where anonymous requests get 401 the log and the status say what to configure") {
  Standins rig(strict());
  Daemon& vipward = rig.start_vipward(rig.config());
  REQUIRE(vipward.wait_for_state("master-1", "not_ready", 10s));
  CHECK(vipward.process().wait_for_line("backend=master-1.*401.*bearer_token_file", 5s));
  const std::string reason = vipward.backend_status("master-1").at("reason");
  CHECK_MESSAGE(contains(reason, "401"), reason);
  CHECK_MESSAGE(contains(reason, "certificate_file"), reason);
}

TEST_CASE("a client certificate makes the checks pass") {
  Standins rig(strict());
  ConfigText config = rig.config();
  config.health_check["tls"] = "{ca_file: \"" + Standins::pki_file("ca.crt") + "\", certificate_file: \"" +
                               Standins::pki_file("health.crt") + "\", key_file: \"" +
                               Standins::pki_file("health.key") + "\"}";
  CHECK(rig.start_vipward(config).wait_until_ready(rig.names(), 15s));
}

TEST_CASE("a bearer token makes the checks pass, and is read again when it changes") {
  Standins rig(strict());
  const std::string file = rig.folder().file("token", "wrong\n");
  ConfigText config = rig.config();
  config.health_check["bearer_token_file"] = "\"" + file + "\"";
  Daemon& vipward = rig.start_vipward(config);
  REQUIRE(vipward.wait_for_state("master-1", "not_ready", 10s));
  write_file(file, token() + "\n");
  CHECK(vipward.wait_until_ready(rig.names(), 15s));
}

TEST_CASE("a certificate for another name fails the check unless server_name says so") {
  Standins rig;
  ConfigText config = rig.config();
  const std::string ca = "ca_file: \"" + Standins::pki_file("ca.crt") + "\"";
  config.health_check["tls"] = "{" + ca + ", server_name: api.example}";
  Daemon& wrong = rig.start_vipward(config);
  REQUIRE(wrong.wait_for_state("master-1", "not_ready", 10s));
  CHECK(wrong.backend_status("master-1").at("last_check").at("phase") == "tls");

  config.health_check["tls"] = "{" + ca + ", server_name: kubernetes.default.svc}";
  CHECK(rig.start_vipward(config).wait_until_ready(rig.names(), 15s));
}

}  // namespace
}  // namespace vipward::test
