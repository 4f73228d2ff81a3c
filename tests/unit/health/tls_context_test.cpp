#include "health/tls_context.h"

#include <doctest/doctest.h>

#include "tests/support/test_pki.h"

namespace vipward {
namespace {

using test::TestCa;

std::string error_of(const CheckMaterial& material, const CheckTlsConfig& config = {}) {
  const TlsContext::Made made = TlsContext::make(config, material, TlsContext::Alpn::Http1);
  CHECK((made.context == nullptr) == !made.error.empty());
  return made.error;
}

CheckTlsConfig insecure() {
  CheckTlsConfig config;
  config.insecure_skip_verify = true;
  return config;
}

CheckTlsConfig named(const char* server_name) {
  CheckTlsConfig config;
  config.server_name = server_name;
  return config;
}

}  // namespace

TEST_CASE("a CA alone suffices") {
  CHECK(error_of({.ca_pem = TestCa().certificate_pem()}) == "");
}

TEST_CASE("several certificates and comments in the CA file are fine") {
  CHECK(error_of({.ca_pem = "# ours\n" + TestCa().certificate_pem() + "# theirs\n" +
                            TestCa().certificate_pem()}) == "");
}

TEST_CASE("an empty or foreign CA file is an error unless nothing is verified") {
  CHECK(error_of({}) == "ca_file: holds no certificate in PEM form");
  CHECK(error_of({.ca_pem = "hello"}) == "ca_file: holds no certificate in PEM form");
  CHECK(error_of({}, insecure()) == "");
}

TEST_CASE("a damaged certificate in the CA file is an error that says which") {
  const std::string broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  CHECK(error_of({.ca_pem = TestCa().certificate_pem() + broken})
            .starts_with("ca_file: certificate 2 cannot be read: "));
}

TEST_CASE("a client certificate needs its key, and a key its certificate") {
  const TestCa ca;
  const auto client = ca.issue({.common_name = "check", .for_client = true});
  const std::string ca_pem = ca.certificate_pem();
  CHECK(error_of({.ca_pem = ca_pem, .certificate_pem = client.certificate, .key_pem = client.key}) == "");
  CHECK(error_of({.ca_pem = ca_pem, .certificate_pem = client.certificate}) ==
        "certificate_file needs key_file");
  CHECK(error_of({.ca_pem = ca_pem, .key_pem = client.key}) == "key_file needs certificate_file");
}

TEST_CASE("a key of another certificate is an error") {
  const TestCa ca;
  CHECK(error_of({.ca_pem = ca.certificate_pem(),
                  .certificate_pem = ca.issue({.for_client = true}).certificate,
                  .key_pem = ca.issue({.for_client = true}).key}) ==
        "key_file: the key does not belong to the first certificate of certificate_file");
}

TEST_CASE("a key that is none, and an encrypted one, are errors that say so") {
  const TestCa ca;
  CheckMaterial material{
      .ca_pem = ca.certificate_pem(), .certificate_pem = ca.issue({}).certificate, .key_pem = "x"};
  CHECK(error_of(material).starts_with("key_file: holds no private key in PEM form: "));
  material.key_pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
  CHECK(error_of(material) == "key_file: the key is encrypted: only keys without a password can be used");
}

TEST_CASE("the name that a certificate must be good for is server_name, else the backend's address") {
  const IpAddress backend = *IpAddress::parse("10.0.0.11");
  const CheckMaterial material{.ca_pem = TestCa().certificate_pem()};
  CHECK(TlsContext::make({}, material, TlsContext::Alpn::None).context->expected_name(backend) ==
        "10.0.0.11");
  CHECK(TlsContext::make(named("kubernetes"), material, TlsContext::Alpn::None)
            .context->expected_name(backend) == "kubernetes");
}

}  // namespace vipward
