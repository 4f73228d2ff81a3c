// The connection of a check: a non-blocking TCP socket, with TLS over it or not. Knows no loop: every step
// says what it waits for. Owner: a Check.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "health/io.h"
#include "health/tls_context.h"
#include "health/tls_session.h"
#include "lb/net/fd.h"

namespace vipward {

class TlsClient;

class Transport {
 public:
  Transport();
  ~Transport();

  // Opens the socket. WantWrite: go on with finish_connect() when it is writable.
  IoStatus connect(const SocketAddress& address);
  IoStatus finish_connect();
  // After the connect; call again until Done.
  IoStatus handshake(const TlsContext& context, const std::shared_ptr<TlsSessionCache>& sessions,
                     TimePoint now);
  // Done: `rest` is empty.
  IoStatus write(std::string_view& rest);
  // Done: `used` bytes, at least one.
  IoStatus read(char* buffer, std::size_t size, std::size_t& used);
  // close_notify and FIN: the peer sees an orderly end. What it still sends can be read until it closes too.
  void end_sending();
  void close();

  int fd() const { return fd_.get(); }
  const IoFailure& failure() const;
  std::optional<std::chrono::system_clock::time_point> certificate_expiry() const;

 private:
  IoStatus fail(int error);
  IoStatus fail_connect(int error);

  SocketAddress address_;
  Fd fd_;
  std::unique_ptr<TlsClient> tls_;
  IoFailure failure_;
};

}  // namespace vipward
