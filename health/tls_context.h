// What the TLS connections of one service's checks have in common: the CA, the client certificate, the rules.
// Built from file contents, immutable. Owners: the service and its running checks, so that a change of the
// files never touches a check under way. TLS 1.2 or newer; never offers h2.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "health/tls_material.h"
#include "lb/net/address.h"

struct ssl_ctx_st;
struct ssl_st;

namespace vipward {

class TlsContext {
 public:
  struct Made {
    std::shared_ptr<const TlsContext> context;  // null: see error
    std::string error;                          // "ca_file: holds no certificate in PEM form"
  };
  enum class Alpn : std::uint8_t { None, Http1 };
  static Made make(const CheckTlsConfig& config, const CheckMaterial& material, Alpn alpn);

  // A client connection, not yet attached to a socket; the caller frees it (SSL_free). The certificate must
  // be good for `server_name`, which is also sent as SNI unless it is an address, or without one for
  // `backend`. Subject alternative names only, like Go's clients: the common name does not count.
  ssl_st* new_client(const IpAddress& backend) const;
  // What a certificate must be good for.
  std::string expected_name(const IpAddress& backend) const;
  bool has_client_certificate() const { return has_client_certificate_; }

 private:
  TlsContext() = default;

  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  std::unique_ptr<ssl_ctx_st, Free> context_;
  std::optional<std::string> server_name_;
  bool has_client_certificate_ = false;
};

}  // namespace vipward
