#include "tests/support/test_pki.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace vipward::test {
namespace {

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("test PKI: ") + what);
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  require(extension != nullptr, "extension");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void set_time(ASN1_TIME* field, std::chrono::system_clock::time_point time) {
  require(ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(time)) != nullptr, "time");
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  if (value.empty()) return;
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1, 0);
}

X509* new_certificate(EVP_PKEY* key, const CertificateRequest& request) {
  X509* certificate = X509_new();
  require(certificate != nullptr, "certificate");
  X509_set_version(certificate, X509_VERSION_3);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  set_time(X509_getm_notBefore(certificate), request.not_before);
  set_time(X509_getm_notAfter(certificate), request.not_after);
  X509_NAME* name = X509_get_subject_name(certificate);
  add_name(name, "O", request.organization);
  add_name(name, "CN", request.common_name);
  X509_set_pubkey(certificate, key);
  return certificate;
}

std::string pem_of(const X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string pem_of(const EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return pem;
}

std::string alternative_names(const CertificateRequest& request) {
  std::string text;
  for (const std::string& ip : request.ips) text += (text.empty() ? "IP:" : ",IP:") + ip;
  for (const std::string& dns : request.dns) text += (text.empty() ? "DNS:" : ",DNS:") + dns;
  return text;
}

}  // namespace

TestCa::TestCa(const std::string& common_name) : key_(EVP_EC_gen("P-256")) {
  require(key_ != nullptr, "key");
  certificate_.reset(new_certificate(key_.get(), {.common_name = common_name}));
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  add_extension(certificate_.get(), certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate_.get(), certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate_.get(), certificate_.get(), NID_subject_key_identifier, "hash");
  require(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) != 0, "signature");
}

TestCa::~TestCa() = default;

std::string TestCa::certificate_pem() const {
  return pem_of(certificate_.get());
}

CertificateAndKey TestCa::issue(const CertificateRequest& request) const {
  const std::unique_ptr<evp_pkey_st, FreeKey> key(EVP_EC_gen("P-256"));
  require(key != nullptr, "key");
  const std::unique_ptr<x509_st, FreeCertificate> certificate(new_certificate(key.get(), request));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  add_extension(certificate.get(), certificate_.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), certificate_.get(), NID_ext_key_usage,
                request.for_client ? "clientAuth" : "serverAuth");
  add_extension(certificate.get(), certificate_.get(), NID_authority_key_identifier, "keyid");
  if (const std::string names = alternative_names(request); !names.empty()) {
    add_extension(certificate.get(), certificate_.get(), NID_subject_alt_name, names);
  }
  require(X509_sign(certificate.get(), key_.get(), EVP_sha256()) != 0, "signature");
  return {pem_of(certificate.get()), pem_of(key.get())};
}

CertificateAndKey TestCa::issue_for_loopback() const {
  return issue(
      {.common_name = "loopback", .organization = "", .ips = {"127.0.0.1", "::1"}, .dns = {"localhost"}});
}

void TestCa::FreeKey::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

void TestCa::FreeCertificate::operator()(x509_st* certificate) const {
  X509_free(certificate);
}

}  // namespace vipward::test
