#include "tests/support/fake_server.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace vipward::test {
namespace {

// OpenSSL's BIO writes with write(2).
void block_sigpipe() {
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
}

template <class T, auto read, auto free_function>
std::unique_ptr<T, decltype(free_function)> from_pem(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  T* object = read(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  if (object == nullptr) throw std::runtime_error("fake server: PEM");
  return {object, free_function};
}

SSL_CTX* new_context(const FakeServer::Tls& tls) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  const auto certificate = from_pem<X509, PEM_read_bio_X509, &X509_free>(tls.certificate.certificate);
  const auto key = from_pem<EVP_PKEY, PEM_read_bio_PrivateKey, &EVP_PKEY_free>(tls.certificate.key);
  SSL_CTX_use_certificate(context, certificate.get());
  SSL_CTX_use_PrivateKey(context, key.get());
  constexpr std::array<unsigned char, 4> kSessionContext{'f', 'a', 'k', 'e'};
  SSL_CTX_set_session_id_context(context, kSessionContext.data(), kSessionContext.size());
  if (tls.only_tls12) SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if (!tls.client_ca_pem.empty()) {
    const auto ca = from_pem<X509, PEM_read_bio_X509, &X509_free>(tls.client_ca_pem);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca.get());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

std::string common_name(SSL* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return "";
  std::array<char, 128> text{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text.data(), text.size());
  return text.data();
}

}  // namespace

std::string FakeConnection::read_request() {
  std::array<char, 4096> buffer;
  for (;;) {
    if (const auto end = unread_.find("\r\n\r\n"); end != std::string::npos) {
      std::string request = unread_.substr(0, end + 4);
      unread_.erase(0, end + 4);
      record_.requests.push_back(request);
      const std::lock_guard lock(server_.mutex_);
      server_.requests_.push_back(request);
      return request;
    }
    const long received = receive(buffer.data(), buffer.size());
    if (received <= 0) return "";
    unread_.append(buffer.data(), static_cast<std::size_t>(received));
  }
}

void FakeConnection::read_some() {
  std::array<char, 4096> buffer;
  receive(buffer.data(), buffer.size());
}

bool FakeConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (is_stopping()) return false;
    const long sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                      : send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void FakeConnection::wait_for_close() {
  std::array<char, 4096> buffer;
  while (receive(buffer.data(), buffer.size()) > 0) {
  }
}

void FakeConnection::hold() {
  std::unique_lock lock(server_.mutex_);
  server_.stop_.wait(lock, [this] { return server_.stopping_.load(); });
}

bool FakeConnection::is_stopping() const {
  return server_.stopping_;
}

long FakeConnection::receive(char* buffer, std::size_t size) {
  errno = 0;
  const long received =
      ssl_ != nullptr ? SSL_read(ssl_, buffer, static_cast<int>(size)) : recv(fd_, buffer, size, 0);
  if (received <= 0 && errno == ECONNRESET) record_.reset = true;
  return received;
}

FakeServer::FakeServer(Options options, Script script)
    : options_(std::move(options)), script_(std::move(script)) {
  if (options_.tls) {
    context_.reset(new_context(*options_.tls));
    SSL_CTX_set_client_hello_cb(context_.get(), on_client_hello, nullptr);
  }
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  const socklen_t size = SocketAddress(*IpAddress::parse("127.0.0.1"), options_.port).to_sockaddr(storage);
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 ||
      listen(listener_.get(), options_.backlog) != 0) {
    throw std::runtime_error("fake server: cannot listen");
  }
  address_ = SocketAddress::local_of(listener_.get());
  if (options_.accepts) acceptor_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
  stopping_ = true;
  shutdown(listener_.get(), SHUT_RDWR);  // wakes accept(2)
  if (acceptor_.joinable()) acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  stop_.notify_all();
  for (std::thread& connection : connections_) connection.join();
}

void FakeServer::set_script(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}

std::vector<FakeConnectionRecord> FakeServer::finished() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

std::vector<std::string> FakeServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FakeServer::accept_all() {
  block_sigpipe();
  for (;;) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (stopping_) {
      if (fd >= 0) close(fd);
      return;
    }
    if (fd < 0) {
      // Out of descriptors, perhaps: the test means it, and gives some back.
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
      continue;
    }
    // TLS tickets and the response are two writes: Nagle would hold the second one for 40 ms.
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++accepted_;
    const std::lock_guard lock(mutex_);
    open_.push_back(fd);
    connections_.emplace_back([this, fd, script = script_] { serve(fd, script); });
  }
}

void FakeServer::serve(int fd, const Script& script) {
  FakeConnection connection(*this, fd);
  if (!context_ || !options_.handshakes || handshake(connection)) script(connection);
  end(connection, fd);
}

bool FakeServer::handshake(FakeConnection& connection) {
  connection.ssl_ = SSL_new(context_.get());
  SSL_set_app_data(connection.ssl_, &connection);
  SSL_set_fd(connection.ssl_, connection.fd_);
  ERR_clear_error();
  connection.record_.secure = SSL_accept(connection.ssl_) == 1;
  if (!connection.record_.secure) {
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    connection.record_.handshake_error = reason != nullptr ? reason : "connection lost";
    return false;
  }
  connection.record_.session_reused = SSL_session_reused(connection.ssl_) != 0;
  connection.record_.client_common_name = common_name(connection.ssl_);
  return true;
}

void FakeServer::end(FakeConnection& connection, int fd) {
  if (connection.ssl_ != nullptr) {
    if (connection.record_.secure) {
      // What the client has sent meanwhile, its close_notify perhaps, as far as it has arrived.
      std::array<char, 256> buffer;
      const int received = (SSL_get_shutdown(connection.ssl_) & SSL_RECEIVED_SHUTDOWN) != 0 ? 0 : 1;
      pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
      if (received != 0 && poll(&readable, 1, 0) == 1) connection.receive(buffer.data(), buffer.size());
      connection.record_.close_notify = (SSL_get_shutdown(connection.ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
      if (!connection.reset_at_end_) SSL_shutdown(connection.ssl_);
    }
    SSL_free(connection.ssl_);
  }
  const std::lock_guard lock(mutex_);
  if (connection.reset_at_end_) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  close(fd);
  finished_.push_back(std::move(connection.record_));
}

int FakeServer::on_client_hello(ssl_st* ssl, int*, void*) {
  FakeConnectionRecord& record = static_cast<FakeConnection*>(SSL_get_app_data(ssl))->record_;
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  // RFC 6066 section 3: list length, type, name length: 5 bytes before the one name.
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) == 1 && size > 5) {
    record.sni.assign(reinterpret_cast<const char*>(data) + 5, size - 5);
  }
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &size) == 1 &&
      size > 2) {
    record.alpn_offered.assign(reinterpret_cast<const char*>(data) + 2, size - 2);
  }
  return SSL_CLIENT_HELLO_SUCCESS;
}

void FakeServer::FreeContext::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

FakeServer::Script http_script(std::function<std::string(const std::string& request)> respond) {
  return [respond = std::move(respond)](FakeConnection& connection) {
    for (;;) {
      const std::string request = connection.read_request();
      if (request.empty()) return;
      const std::string response = respond(request);
      if (!connection.write(response)) return;
      if (response.find("Connection: close") != std::string::npos) return;
    }
  };
}

FakeServer::Script silent_script() {
  return [](FakeConnection& connection) { connection.wait_for_close(); };
}

std::string http_response(int status, std::string_view extra_headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Status\r\nContent-Length: 2\r\n";
  return text.append(extra_headers).append("\r\nok");
}

std::string request_path(const std::string& request) {
  const auto begin = request.find(' ') + 1;
  return request.substr(begin, request.find(' ', begin) - begin);
}

}  // namespace vipward::test
