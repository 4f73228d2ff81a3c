#include "health/tls_text.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "lb/net/address.h"

namespace vipward {
namespace {

constexpr int kMaxNames = 8;
constexpr std::size_t kMaxNameBytes = 80;

std::string printable(const unsigned char* bytes, int size) {
  std::string text;
  for (int i = 0; i < size && text.size() < kMaxNameBytes; ++i) {
    text.push_back(bytes[i] > 32 && bytes[i] < 127 ? static_cast<char>(bytes[i]) : '?');
  }
  return text;
}

std::string address_text(const unsigned char* bytes, int size) {
  const auto address = IpAddress::from_bytes({bytes, static_cast<std::size_t>(size)});
  return address ? address->to_string() : "?";
}

}  // namespace

std::string openssl_reason(unsigned long error) {
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "unknown error";
}

std::string describe_verify_error(long verify_result, const X509* certificate,
                                  const std::string& expected_name) {
  const std::string reason = X509_verify_cert_error_string(verify_result);
  switch (verify_result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "certificate is not valid for " + expected_name + ", only for " + certificate_names(certificate);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:  // a CA of the same name, but another key
      return "certificate signed by unknown authority: " + reason;
    default:
      return "certificate not accepted: " + reason;
  }
}

std::string certificate_names(const X509* certificate) {
  using Names = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;
  if (certificate == nullptr) return "no name";
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  const int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  std::string text;
  int listed = 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    if (listed++ == kMaxNames) return text + ", ...";
    if (!text.empty()) text += ", ";
    const unsigned char* bytes = ASN1_STRING_get0_data(name->d.ia5);
    const int size = ASN1_STRING_length(name->d.ia5);
    text += name->type == GEN_DNS ? printable(bytes, size) : address_text(bytes, size);
  }
  return text.empty() ? "no name" : text;
}

std::optional<std::chrono::system_clock::time_point> certificate_expiry(const X509* certificate) {
  using WallClock = std::chrono::system_clock;
  std::tm fields{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &fields) != 1) {
    return std::nullopt;
  }
  constexpr auto kLast = std::chrono::duration_cast<std::chrono::seconds>(WallClock::duration::max());
  const std::chrono::seconds since_epoch{std::clamp<std::time_t>(timegm(&fields), 0, kLast.count())};
  return WallClock::time_point(since_epoch);
}

}  // namespace vipward
