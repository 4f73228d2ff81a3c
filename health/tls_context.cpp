#include "health/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "health/tls_client.h"
#include "health/tls_text.h"

namespace vipward {
namespace {

template <auto free_function>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

BioPtr read_only(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without one OpenSSL would ask on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

struct Certificates {
  std::vector<X509Ptr> list;
  std::string error;
};

Certificates read_certificates(const std::string& pem, const std::string& file_key) {
  Certificates result;
  const BioPtr bio = read_only(pem);
  ERR_clear_error();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
    result.list.emplace_back(certificate);
  }
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  // The end of the text is reported as "no start line".
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
    result.error = file_key + ": certificate " + std::to_string(result.list.size() + 1) +
                   " cannot be read: " + openssl_reason(error);
  } else if (result.list.empty()) {
    result.error = file_key + ": holds no certificate in PEM form";
  }
  return result;
}

std::string load_authorities(SSL_CTX* context, const std::string& pem) {
  const Certificates authorities = read_certificates(pem, "ca_file");
  if (!authorities.error.empty()) return authorities.error;
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const X509Ptr& authority : authorities.list) X509_STORE_add_cert(store, authority.get());
  // Every certificate in ca_file is trusted as it stands, also an intermediate one, as Go's clients do it.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return "";
}

std::string load_client_certificate(SSL_CTX* context, const CheckMaterial& material) {
  if (material.key_pem.empty()) return "certificate_file needs key_file";
  if (material.certificate_pem.empty()) return "key_file needs certificate_file";
  Certificates chain = read_certificates(material.certificate_pem, "certificate_file");
  if (!chain.error.empty()) return chain.error;
  const BioPtr bio = read_only(material.key_pem);
  ERR_clear_error();
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key) {
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    if (material.key_pem.find("ENCRYPTED") != std::string::npos) {
      return "key_file: the key is encrypted: only keys without a password can be used";
    }
    return "key_file: holds no private key in PEM form: " + openssl_reason(error);
  }
  if (X509_check_private_key(chain.list.front().get(), key.get()) != 1) {
    ERR_clear_error();
    return "key_file: the key does not belong to the first certificate of certificate_file";
  }
  if (SSL_CTX_use_certificate(context, chain.list.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    return "certificate_file: cannot be used: " + openssl_reason(error);
  }
  for (std::size_t i = 1; i < chain.list.size(); ++i) SSL_CTX_add1_chain_cert(context, chain.list[i].get());
  return "";
}

}  // namespace

TlsContext::Made TlsContext::make(const CheckTlsConfig& config, const CheckMaterial& material, Alpn alpn) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->server_name_ = config.server_name;
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made->context_.get();
  if (context == nullptr) std::abort();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // On by default: SSL_read_ex would go on within records that hold no data, such as endless key updates.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  if (alpn == Alpn::Http1) {
    constexpr std::array<unsigned char, 9> kHttp1{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos(context, kHttp1.data(), kHttp1.size());
  }
  if (config.insecure_skip_verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  } else if (std::string error = load_authorities(context, material.ca_pem); !error.empty()) {
    return {nullptr, std::move(error)};
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, TlsClient::on_verify);
  }
  if (!material.certificate_pem.empty() || !material.key_pem.empty()) {
    if (std::string error = load_client_certificate(context, material); !error.empty()) {
      return {nullptr, std::move(error)};
    }
    made->has_client_certificate_ = true;
  }
  // Sessions are kept per backend, by TlsSessionCache.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, TlsClient::on_new_session);
  return {std::move(made), ""};
}

ssl_st* TlsContext::new_client(const IpAddress& backend) const {
  SSL* ssl = SSL_new(context_.get());
  if (ssl == nullptr) std::abort();
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(rules,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const std::optional<IpAddress> named_address =
      server_name_ ? IpAddress::parse(*server_name_) : std::optional<IpAddress>(backend);
  if (named_address) {
    X509_VERIFY_PARAM_set1_ip(rules, named_address->bytes().data(), named_address->is_v4() ? 4 : 16);
  } else {
    X509_VERIFY_PARAM_set1_host(rules, server_name_->c_str(), server_name_->size());
    // SSL_set_tlsext_host_name without its old-style cast; OpenSSL copies the name.
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(server_name_->c_str()));
  }
  return ssl;
}

std::string TlsContext::expected_name(const IpAddress& backend) const {
  return server_name_ ? *server_name_ : backend.to_string();
}

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

}  // namespace vipward
