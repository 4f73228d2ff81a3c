// OpenSSL's errors and certificates as words for people. Private to health/: OpenSSL types.
#pragma once

#include <openssl/x509.h>

#include <chrono>
#include <optional>
#include <string>

namespace vipward {

// "wrong version number"; never empty.
std::string openssl_reason(unsigned long error);

// Why a certificate is not accepted: "certificate signed by unknown authority: unable to get local issuer
// certificate", "certificate is not valid for 10.0.0.1, only for kubernetes, 10.96.0.1".
std::string describe_verify_error(long verify_result, const X509* certificate,
                                  const std::string& expected_name);

// The subject alternative names, at most eight: "kubernetes, 10.96.0.1"; "no name" if there are none. What is
// not printable becomes a question mark.
std::string certificate_names(const X509* certificate);

// notAfter; what the clock cannot hold (after 2262) becomes its last second.
std::optional<std::chrono::system_clock::time_point> certificate_expiry(const X509* certificate);

}  // namespace vipward
