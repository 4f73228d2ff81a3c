// A certificate authority for tests, made in memory: keys are P-256, so that a certificate costs well under a
// millisecond. Any thread, one at a time per object.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

struct evp_pkey_st;
struct x509_st;

namespace vipward::test {

// PEM, both.
struct CertificateAndKey {
  std::string certificate;
  std::string key;
};

struct CertificateRequest {
  std::string common_name = "test";
  std::string organization{};      // e.g. system:masters
  std::vector<std::string> ips{};  // subject alternative names
  std::vector<std::string> dns{};
  bool for_client = false;  // extended key usage: client, else server
  std::chrono::system_clock::time_point not_before = std::chrono::system_clock::now() - std::chrono::hours{1};
  std::chrono::system_clock::time_point not_after = std::chrono::system_clock::now() + std::chrono::hours{24};
};

class TestCa {
 public:
  explicit TestCa(const std::string& common_name = "vipward test CA");
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  std::string certificate_pem() const;
  CertificateAndKey issue(const CertificateRequest& request) const;
  // For a server on 127.0.0.1 and ::1.
  CertificateAndKey issue_for_loopback() const;

 private:
  struct FreeKey {
    void operator()(evp_pkey_st* key) const;
  };
  struct FreeCertificate {
    void operator()(x509_st* certificate) const;
  };
  std::unique_ptr<evp_pkey_st, FreeKey> key_;
  std::unique_ptr<x509_st, FreeCertificate> certificate_;
};

}  // namespace vipward::test
