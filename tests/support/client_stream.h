// A client's connection, TCP or TLS, that never blocks: what HttpClient waits on and Prober runs many of. One
// thread at a time. TLS sessions are never resumed and the client offers no ALPN.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lb/net/address.h"
#include "lb/net/fd.h"

struct ssl_ctx_st;
struct ssl_st;

namespace vipward::test {

// Why a client got no answer, as it looks from the client.
enum class ClientError : std::uint8_t {
  None,
  Refused,      // ECONNREFUSED
  Reset,        // ECONNRESET or EPIPE: in the middle, or before a byte came
  Closed,       // an end of stream where an answer should be
  Timeout,      // nothing until the deadline
  Unreachable,  // the network says so
  Tls,          // handshake or certificate
  Malformed,    // an answer that is none
};
std::string_view to_string(ClientError error);

struct ClientTls {
  std::string ca_pem{};           // empty: any certificate will do
  std::string certificate_pem{};  // empty: no client certificate
  std::string key_pem{};
  std::string server_name{};  // SNI and the name verified; empty: the address connected to
};

// Made once, used for any number of connections; any thread.
class ClientTlsContext {
 public:
  // Throws if the material is no good.
  explicit ClientTlsContext(const ClientTls& tls);
  ~ClientTlsContext();
  ClientTlsContext(const ClientTlsContext&) = delete;
  ClientTlsContext& operator=(const ClientTlsContext&) = delete;

  ssl_ctx_st* raw() const { return context_; }
  const std::string& server_name() const { return server_name_; }
  bool verifies() const { return verifies_; }

 private:
  ssl_ctx_st* context_;
  std::string server_name_;
  bool verifies_;
};

class ClientStream {
 public:
  enum class Step : std::uint8_t { Done, WantRead, WantWrite, Failed };

  // `tls` must outlive the stream; nullptr: plain TCP. The socket belongs to the calling thread's network
  // namespace.
  ClientStream(const SocketAddress& target, const ClientTlsContext* tls);
  ~ClientStream();
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // Each goes as far as it can. After WantRead or WantWrite: wait for the descriptor, call again.
  Step connect();
  // Takes what it sent off the front of `data`; Done when nothing is left.
  Step send(std::string_view& data);
  // Done: something was appended. An end of stream is Failed with Closed.
  Step receive(std::string& into);

  int fd() const { return socket_.get(); }
  SocketAddress local() const { return SocketAddress::local_of(fd()); }
  // After Failed.
  ClientError error() const { return error_; }
  const std::string& detail() const { return detail_; }

 private:
  Step fail(ClientError error, std::string detail);
  Step fail_errno(int code);
  Step tls_result(int result);
  bool start_tls();

  SocketAddress target_;
  const ClientTlsContext* tls_;
  Fd socket_;
  ssl_st* ssl_ = nullptr;
  bool connecting_ = false;
  bool connected_ = false;
  ClientError error_ = ClientError::None;
  std::string detail_;
};

}  // namespace vipward::test
