// An OpenSSL BIO over a non-blocking socket that cannot raise SIGPIPE: OpenSSL's own (SSL_set_fd) writes with
// write(2), this one with MSG_NOSIGNAL. Private to health/: OpenSSL types. The descriptor stays the caller's.
#pragma once

#include <openssl/bio.h>
#include <sys/types.h>

#include <cstddef>

namespace vipward {

// Never fails but for memory. Freed with the SSL it is given to.
BIO* new_socket_bio(int fd);

// send(2) without SIGPIPE. After a reset or EPIPE it says that everything was sent: what the peer said before
// (an alert, a response) is still to be read, and the next read tells the truth.
ssize_t send_to_peer(int fd, const char* data, std::size_t size);

}  // namespace vipward
