// The TLS half of a check's connection, over a connected non-blocking socket that the caller owns and closes
// after this is gone. Private to health/: OpenSSL types. Nothing here raises SIGPIPE.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "health/io.h"
#include "health/socket_bio.h"
#include "health/tls_context.h"
#include "health/tls_session.h"

namespace vipward {

class TlsClient {
 public:
  // Offers the cached session, if there is one, and keeps what the server issues.
  TlsClient(const TlsContext& context, std::shared_ptr<TlsSessionCache> sessions, const IpAddress& backend,
            int fd, TimePoint now);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Call again when the socket is ready until it says Done. Each call reads a bounded number of bytes, and
  // WantRead may come with more of them in the socket.
  IoStatus handshake();
  // Done: `rest` is empty.
  IoStatus write(std::string_view& rest);
  // Done: `used` bytes, at least one. Closed: close_notify, or the end of the stream without it.
  IoStatus read(char* buffer, std::size_t size, std::size_t& used);
  // Sends close_notify if the handshake was completed and nothing has failed.
  void close_notify();

  const IoFailure& failure() const { return failure_; }
  // Of the serving certificate, also of one that is not accepted.
  std::optional<std::chrono::system_clock::time_point> certificate_expiry() const { return expiry_; }

  // OpenSSL's callbacks, set by TlsContext.
  static int on_verify(int accepted, X509_STORE_CTX* store);
  static int on_new_session(SSL* ssl, SSL_SESSION* session);

 private:
  void begin_call();
  IoStatus status_of(int result);
  void describe_error();

  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  BioSocket socket_;  // before ssl_: outlives its BIO
  std::unique_ptr<SSL, Free> ssl_;
  std::shared_ptr<TlsSessionCache> sessions_;  // owners: the target and this check
  std::string expected_name_;
  bool has_client_certificate_;
  TimePoint started_at_;
  bool secure_ = false;
  std::string verify_error_;
  std::optional<std::chrono::system_clock::time_point> expiry_;
  IoFailure failure_;
};

}  // namespace vipward
