// An OpenSSL BIO over a non-blocking socket that cannot raise SIGPIPE: OpenSSL's own (SSL_set_fd) writes with
// write(2), this one with MSG_NOSIGNAL. Private to health/: OpenSSL types. The descriptor stays the caller's.
// Reads stop at a budget, as if nothing more had arrived: some of OpenSSL's calls go on for as long as bytes
// come (SSL_do_handshake skips a TLS 1.2 hello request after the other), and would hold the loop.
#pragma once

#include <openssl/bio.h>
#include <sys/types.h>

#include <cstddef>

namespace vipward {

struct BioSocket {
  int fd = -1;
  std::size_t read_budget_bytes = 0;  // the caller's to fill up before each call of OpenSSL
};

// Never fails but for memory. Freed with the SSL it is given to; `socket` outlives it.
BIO* new_socket_bio(BioSocket& socket);

// send(2) without SIGPIPE. After a reset or EPIPE it says that everything was sent: what the peer said before
// (an alert, a response) is still to be read, and the next read tells the truth.
ssize_t send_to_peer(int fd, const char* data, std::size_t size);

}  // namespace vipward
