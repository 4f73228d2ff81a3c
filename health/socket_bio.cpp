#include "health/socket_bio.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace vipward {
namespace {

// The BIO's data pointer holds the socket, its "init" the right to use it, its flag bit the end of stream.
BioSocket& socket_of(BIO* bio) {
  return *static_cast<BioSocket*>(BIO_get_data(bio));
}

constexpr int kEndOfStream = BIO_FLAGS_IN_EOF;

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = send_to_peer(socket_of(bio).fd, data, static_cast<std::size_t>(size));
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* data, int size) {
  BIO_clear_retry_flags(bio);
  BioSocket& socket = socket_of(bio);
  if (socket.read_budget_bytes == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t wanted = std::min(static_cast<std::size_t>(size), socket.read_budget_bytes);
  const ssize_t received = recv(socket.fd, data, wanted, 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (received == 0) BIO_set_flags(bio, kEndOfStream);
  if (received > 0) socket.read_budget_bytes -= static_cast<std::size_t>(received);
  return static_cast<int>(received);
}

long bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, kEndOfStream) != 0 ? 1 : 0;
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
      return 1;
    default:
      return 0;
  }
}

const BIO_METHOD* method() {
  // Lives as long as the process.
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    BIO_meth_set_write(made, bio_write);
    BIO_meth_set_read(made, bio_read);
    BIO_meth_set_ctrl(made, bio_control);
    return made;
  }();
  return kMethod;
}

}  // namespace

BIO* new_socket_bio(BioSocket& socket) {
  BIO* bio = BIO_new(method());
  BIO_set_data(bio, &socket);
  BIO_set_init(bio, 1);
  return bio;
}

ssize_t send_to_peer(int fd, const char* data, std::size_t size) {
  const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
  if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return static_cast<ssize_t>(size);
  return sent;
}

}  // namespace vipward
