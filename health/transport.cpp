#include "health/transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "health/socket_bio.h"
#include "health/tls_client.h"

namespace vipward {
namespace {

// Errors that say something about this host, nothing about the backend. An unreachable network is the path's:
// a session would fail alike.
bool is_local_fault(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL:  // no local port left
    case EAFNOSUPPORT:
      return true;
    default:
      return false;
  }
}

bool wants_retry(int error) {
  return error == EAGAIN || error == EINTR;
}

std::string error_text(int error) {
  return std::generic_category().message(error);
}

}  // namespace

Transport::Transport() = default;
Transport::~Transport() = default;

IoStatus Transport::connect(const SocketAddress& address) {
  address_ = address;
  failure_ = {};
  tls_.reset();
  fd_.reset(::socket(address.ip().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return fail_connect(errno);
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_storage storage{};
  const socklen_t size = address.to_sockaddr(storage);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0) return finish_connect();
  if (errno == EINPROGRESS || errno == EINTR) return IoStatus::WantWrite;
  return fail_connect(errno);
}

IoStatus Transport::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return fail_connect(error);
  // TCP's simultaneous open: towards a free port of this host, the kernel may pick that very port as the
  // local one, and the socket is connected with itself.
  if (SocketAddress::local_of(fd_.get()) == address_) return fail_connect(ECONNREFUSED);
  return IoStatus::Done;
}

IoStatus Transport::handshake(const TlsContext& context, const std::shared_ptr<TlsSessionCache>& sessions,
                              TimePoint now) {
  if (!tls_) tls_ = std::make_unique<TlsClient>(context, sessions, address_.ip(), fd_.get(), now);
  return tls_->handshake();
}

IoStatus Transport::write(std::string_view& rest) {
  if (tls_) return tls_->write(rest);
  while (!rest.empty()) {
    const ssize_t sent = send_to_peer(fd_.get(), rest.data(), rest.size());
    if (sent < 0) return wants_retry(errno) ? IoStatus::WantWrite : fail(errno);
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return IoStatus::Done;
}

IoStatus Transport::read(char* buffer, std::size_t size, std::size_t& used) {
  if (tls_) return tls_->read(buffer, size, used);
  const ssize_t received = recv(fd_.get(), buffer, size, 0);
  if (received < 0) return wants_retry(errno) ? IoStatus::WantRead : fail(errno);
  used = static_cast<std::size_t>(received);
  return received == 0 ? IoStatus::Closed : IoStatus::Done;
}

void Transport::end_sending() {
  if (tls_) tls_->close_notify();
  shutdown(fd_.get(), SHUT_WR);
}

void Transport::close() {
  tls_.reset();
  fd_.reset();
}

const IoFailure& Transport::failure() const {
  return tls_ ? tls_->failure() : failure_;
}

std::optional<std::chrono::system_clock::time_point> Transport::certificate_expiry() const {
  return tls_ ? tls_->certificate_expiry() : std::nullopt;
}

IoStatus Transport::fail(int error) {
  failure_ = {IoFailure::Kind::Network, error_text(error)};
  return IoStatus::Failed;
}

IoStatus Transport::fail_connect(int error) {
  IoFailure::Kind kind = IoFailure::Kind::Network;
  if (error == ECONNREFUSED || error == ECONNRESET) kind = IoFailure::Kind::Refused;
  if (is_local_fault(error)) kind = IoFailure::Kind::Local;
  failure_ = {kind, error_text(error)};
  return IoStatus::Failed;
}

}  // namespace vipward
