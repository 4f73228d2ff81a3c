#include "health/tls_text.h"

#include <doctest/doctest.h>

#include <memory>

namespace vipward {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate valid_until(const char* not_after) {
  Certificate certificate(X509_new(), X509_free);
  ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate.get()), not_after);
  return certificate;
}

}  // namespace

TEST_CASE("the expiry of a certificate is its notAfter") {
  const std::chrono::sys_seconds expected =
      std::chrono::sys_days{std::chrono::year{2030} / 1 / 2} + std::chrono::hours{3};
  CHECK(certificate_expiry(valid_until("20300102030000Z").get()) ==
        std::chrono::system_clock::time_point(expected));
}

TEST_CASE("an expiry that the clock cannot hold is its last second") {
  const auto expiry = certificate_expiry(valid_until("99991231235959Z").get());
  REQUIRE(expiry);
  CHECK(std::chrono::system_clock::time_point::max() - *expiry < std::chrono::seconds{1});
}

TEST_CASE("no certificate has no expiry and no name") {
  CHECK_FALSE(certificate_expiry(nullptr));
  CHECK(certificate_names(nullptr) == "no name");
  CHECK(certificate_names(valid_until("20300102030000Z").get()) == "no name");
}

}  // namespace vipward
