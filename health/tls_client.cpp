#include "health/tls_client.h"

#include <openssl/err.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "health/tls_text.h"

namespace vipward {
namespace {

constexpr std::size_t kReadBudgetBytes = std::size_t{32} * 1024;

// Alerts of the server are errors of this number plus the alert's (SSL_AD_REASON_OFFSET).
bool is_alert(int reason) {
  return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
}

// RFC 8446 section 6.2 and the older ones that servers send for the same reasons.
bool is_about_our_certificate(int reason) {
  switch (reason - SSL_AD_REASON_OFFSET) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

}  // namespace

TlsClient::TlsClient(const TlsContext& context, std::shared_ptr<TlsSessionCache> sessions,
                     const IpAddress& backend, int fd, TimePoint now)
    : socket_{.fd = fd},
      ssl_(context.new_client(backend)),
      sessions_(std::move(sessions)),
      expected_name_(context.expected_name(backend)),
      has_client_certificate_(context.has_client_certificate()),
      started_at_(now) {
  SSL_set_app_data(ssl_.get(), this);
  BIO* bio = new_socket_bio(socket_);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (SSL_SESSION* session = sessions_->offer(now)) SSL_set_session(ssl_.get(), session);
}

TlsClient::~TlsClient() = default;

IoStatus TlsClient::handshake() {
  begin_call();
  const IoStatus status = status_of(SSL_do_handshake(ssl_.get()));
  if (status == IoStatus::Done) {
    secure_ = true;
    expiry_ = vipward::certificate_expiry(SSL_get0_peer_certificate(ssl_.get()));
    if (SSL_session_reused(ssl_.get()) == 0) sessions_->on_full_handshake(started_at_);
  } else if (status == IoStatus::Closed) {
    sessions_->drop();
    failure_ = {IoFailure::Kind::Network, "connection closed in the handshake"};
    return IoStatus::Failed;
  }
  return status;
}

IoStatus TlsClient::write(std::string_view& rest) {
  begin_call();
  std::size_t written = 0;
  const IoStatus status = status_of(SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &written));
  rest.remove_prefix(written);
  return status;
}

IoStatus TlsClient::read(char* buffer, std::size_t size, std::size_t& used) {
  begin_call();
  return status_of(SSL_read_ex(ssl_.get(), buffer, size, &used));
}

void TlsClient::close_notify() {
  if (!secure_) return;
  begin_call();
  SSL_shutdown(ssl_.get());
}

void TlsClient::begin_call() {
  ERR_clear_error();
  socket_.read_budget_bytes = kReadBudgetBytes;
}

// `result`: 1 is success for every call used here.
IoStatus TlsClient::status_of(int result) {
  if (result == 1) return IoStatus::Done;
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return IoStatus::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return IoStatus::WantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::Closed;
    case SSL_ERROR_SSL:
      if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        secure_ = false;
        return IoStatus::Closed;
      }
      describe_error();
      break;
    default:
      failure_ = {IoFailure::Kind::Network, std::generic_category().message(saved_errno)};
  }
  // RFC 8446 section 6: nothing more is sent, and the session is not used again.
  secure_ = false;
  sessions_->drop();
  return IoStatus::Failed;
}

void TlsClient::describe_error() {
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
  failure_.kind = IoFailure::Kind::Tls;
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    failure_.text = "TLS: " + verify_error_;
  } else if (is_alert(reason)) {
    failure_.text = "TLS: the server refuses the connection: " + openssl_reason(error);
    if (is_about_our_certificate(reason)) {
      failure_.text +=
          has_client_certificate_
              ? ": look at health_check.tls.certificate_file and key_file"
              : ": it may want a client certificate: set health_check.tls.certificate_file and key_file";
    }
  } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || SSL_get_pending_cipher(ssl_.get()) != nullptr) {
    // Both ends spoke TLS, and could not agree.
    failure_.text = "TLS: " + openssl_reason(error);
  } else {
    failure_ = {IoFailure::Kind::Network, "not TLS: " + openssl_reason(error)};
  }
}

int TlsClient::on_verify(int accepted, X509_STORE_CTX* store) {
  if (accepted == 1) return 1;
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* self = static_cast<TlsClient*>(SSL_get_app_data(ssl));
  const X509* certificate = X509_STORE_CTX_get0_cert(store);
  self->verify_error_ =
      describe_verify_error(X509_STORE_CTX_get_error(store), certificate, self->expected_name_);
  self->expiry_ = vipward::certificate_expiry(certificate);
  return 0;
}

int TlsClient::on_new_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsClient*>(SSL_get_app_data(ssl))->sessions_->keep(session);
  return 1;  // ours now
}

}  // namespace vipward
