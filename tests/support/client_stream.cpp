#include "tests/support/client_stream.h"

#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

namespace vipward::test {
namespace {

std::string openssl_error() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "TLS error";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio memory_bio(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

void trust(SSL_CTX* context, const std::string& pem) {
  const Bio bio = memory_bio(pem);
  bool found = false;
  for (;;) {
    const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (!certificate) break;
    found = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) == 1;
  }
  ERR_clear_error();
  if (!found) throw std::runtime_error("no CA certificate in the PEM given to a test client");
}

void identify(SSL_CTX* context, const ClientTls& tls) {
  const Bio certificate_bio = memory_bio(tls.certificate_pem);
  const Bio key_bio = memory_bio(tls.key_pem);
  const Certificate certificate(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr),
                                X509_free);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  if (!certificate || !key || SSL_CTX_use_certificate(context, certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    throw std::runtime_error("client certificate: " + openssl_error());
  }
}

}  // namespace

std::string_view to_string(ClientError error) {
  constexpr std::array<std::string_view, 8> kNames{"none",    "refused",     "reset", "closed",
                                                   "timeout", "unreachable", "tls",   "malformed"};
  return kNames[static_cast<std::size_t>(error)];
}

ClientTlsContext::ClientTlsContext(const ClientTls& tls)
    : context_(SSL_CTX_new(TLS_client_method())),
      server_name_(tls.server_name),
      verifies_(!tls.ca_pem.empty()) {
  try {
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // An end of stream without close_notify is seen as one: the caller decides what it means.
    SSL_CTX_set_options(context_, SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (verifies_) trust(context_, tls.ca_pem);
    SSL_CTX_set_verify(context_, verifies_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (!tls.certificate_pem.empty()) identify(context_, tls);
  } catch (...) {
    SSL_CTX_free(context_);
    throw;
  }
}

ClientTlsContext::~ClientTlsContext() {
  SSL_CTX_free(context_);
}

ClientStream::ClientStream(const SocketAddress& target, const ClientTlsContext* tls)
    : target_(target), tls_(tls) {
  // SSL_write has no MSG_NOSIGNAL.
  std::signal(SIGPIPE, SIG_IGN);
}

ClientStream::~ClientStream() {
  if (ssl_ == nullptr) return;
  // A clean end where it costs nothing: no server should log an unexpected one for us.
  if (connected_ && error_ == ClientError::None) SSL_shutdown(ssl_);
  SSL_free(ssl_);
  ERR_clear_error();
}

ClientStream::Step ClientStream::connect() {
  if (!socket_) {
    socket_.reset(::socket(target_.ip().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_) return fail_errno(errno);
    const int on = 1;
    setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_storage storage{};
    const socklen_t size = target_.to_sockaddr(storage);
    if (::connect(fd(), reinterpret_cast<sockaddr*>(&storage), size) != 0) {
      if (errno != EINPROGRESS) return fail_errno(errno);
      connecting_ = true;
      return Step::WantWrite;
    }
  }
  if (connecting_) {
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(fd(), SOL_SOCKET, SO_ERROR, &code, &size);
    if (code != 0) return fail_errno(code);
    if (SocketAddress::peer_of(fd()).port() == 0) return Step::WantWrite;
    connecting_ = false;
  }
  if (tls_ != nullptr) {
    if (ssl_ == nullptr && !start_tls()) return fail(ClientError::Tls, openssl_error());
    const Step step = tls_result(SSL_connect(ssl_));
    if (step != Step::Done) return step;
  }
  connected_ = true;
  return Step::Done;
}

ClientStream::Step ClientStream::send(std::string_view& data) {
  while (!data.empty()) {
    if (ssl_ != nullptr) {
      std::size_t count = 0;
      const Step step = tls_result(SSL_write_ex(ssl_, data.data(), data.size(), &count));
      if (step != Step::Done) return step;
      data.remove_prefix(count);
      continue;
    }
    const ssize_t count = ::send(fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN ? Step::WantWrite : fail_errno(errno);
    data.remove_prefix(static_cast<std::size_t>(count));
  }
  return Step::Done;
}

ClientStream::Step ClientStream::receive(std::string& into) {
  std::array<char, 16384> buffer;
  if (ssl_ != nullptr) {
    std::size_t count = 0;
    const Step step = tls_result(SSL_read_ex(ssl_, buffer.data(), buffer.size(), &count));
    if (step == Step::Done) into.append(buffer.data(), count);
    return step;
  }
  ssize_t count = 0;
  do {
    count = ::recv(fd(), buffer.data(), buffer.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count == 0) return fail(ClientError::Closed, "end of stream");
  if (count < 0) return errno == EAGAIN ? Step::WantRead : fail_errno(errno);
  into.append(buffer.data(), static_cast<std::size_t>(count));
  return Step::Done;
}

ClientStream::Step ClientStream::fail(ClientError error, std::string detail) {
  error_ = error;
  detail_ = std::move(detail);
  return Step::Failed;
}

ClientStream::Step ClientStream::fail_errno(int code) {
  const std::string text = std::strerror(code);
  switch (code) {
    case ECONNREFUSED:
      return fail(ClientError::Refused, text);
    case ECONNRESET:
    case EPIPE:
      return fail(ClientError::Reset, text);
    case ETIMEDOUT:
      return fail(ClientError::Timeout, text);
    default:
      return fail(ClientError::Unreachable, text);
  }
}

ClientStream::Step ClientStream::tls_result(int result) {
  const int code = errno;
  if (result == 1) return Step::Done;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return Step::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Step::WantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return fail(ClientError::Closed, "end of stream");
    case SSL_ERROR_SYSCALL:
      ERR_clear_error();
      return code == 0 ? fail(ClientError::Closed, "end of stream") : fail_errno(code);
    default:
      break;
  }
  const long verdict = SSL_get_verify_result(ssl_);
  if (verdict != X509_V_OK && tls_->verifies()) {
    ERR_clear_error();
    return fail(ClientError::Tls, X509_verify_cert_error_string(verdict));
  }
  return fail(ClientError::Tls, openssl_error());
}

bool ClientStream::start_tls() {
  ssl_ = SSL_new(tls_->raw());
  if (ssl_ == nullptr || SSL_set_fd(ssl_, fd()) != 1) return false;
  const std::string& name = tls_->server_name();
  if (!name.empty()) {
    // The macro SSL_set_tlsext_host_name casts in the old style.
    std::string sni = name;
    return SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sni.data()) == 1 &&
           SSL_set1_host(ssl_, name.c_str()) == 1;
  }
  return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), target_.ip().to_string().c_str()) == 1;
}

}  // namespace vipward::test
