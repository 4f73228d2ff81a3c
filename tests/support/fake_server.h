// A server on loopback that does what a test says, also what no server should do: plain TCP or TLS, each
// connection on a thread of its own, with blocking calls. What it saw is asked from the test's thread. Never
// raises SIGPIPE.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "tests/support/test_pki.h"

struct ssl_st;
struct ssl_ctx_st;

namespace vipward::test {

// What the server knows of one connection once it is over.
struct FakeConnectionRecord {
  bool secure = false;          // the handshake was completed
  std::string handshake_error;  // else why not
  std::string sni;              // empty: none
  std::string alpn_offered;     // as on the wire: length, name, ...; empty: none
  bool session_reused = false;
  std::string client_common_name;  // of its certificate; empty: none
  bool close_notify = false;       // the client has said that it sends nothing more
  bool reset = false;              // the client ended with a reset
  std::vector<std::string> requests;
};

// One connection, inside a script.
class FakeConnection {
 public:
  // The next request up to its empty line; empty: the client has gone, or the server stops.
  std::string read_request();
  // Reads and forgets something, whatever it is.
  void read_some();
  // False: the client has gone, or the server stops.
  bool write(std::string_view bytes);
  // Until the client has closed its end, or the server stops.
  void wait_for_close();
  // Holds the connection until the server stops, reading nothing.
  void hold();
  // Makes the end of the script a reset instead of an orderly end.
  void reset_at_end() { reset_at_end_ = true; }
  bool is_stopping() const;

 private:
  friend class FakeServer;
  explicit FakeConnection(class FakeServer& server, int fd) : server_(server), fd_(fd) {}
  long receive(char* buffer, std::size_t size);

  FakeServer& server_;
  int fd_;
  ssl_st* ssl_ = nullptr;
  bool reset_at_end_ = false;
  std::string unread_;
  FakeConnectionRecord record_;
};

class FakeServer {
 public:
  struct Tls {
    CertificateAndKey certificate;
    std::string client_ca_pem{};  // not empty: a client certificate of this CA is required
    bool only_tls12 = false;
  };
  struct Options {
    std::optional<Tls> tls{};
    int backlog = 128;
    std::uint16_t port = 0;  // 0: the kernel chooses
    bool accepts = true;     // false: connections wait in the kernel's queue
    bool handshakes = true;  // false: the script gets the connection before any TLS (a silent server)
  };
  // Runs on the connection's thread; when it returns, the connection ends in order.
  using Script = std::function<void(FakeConnection&)>;

  FakeServer(Options options, Script script);
  // Ends all connections, with whatever they are at.
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  SocketAddress address() const { return address_; }
  // For connections accepted from now on.
  void set_script(Script script);
  int accepted() const { return accepted_; }
  // Of connections that are over, in the order of their end.
  std::vector<FakeConnectionRecord> finished() const;
  // All requests so far.
  std::vector<std::string> requests() const;

 private:
  friend class FakeConnection;
  void accept_all();
  void serve(int fd, const Script& script);
  void end(FakeConnection& connection, int fd);
  bool handshake(FakeConnection& connection);
  static int on_client_hello(ssl_st* ssl, int* alert, void* argument);

  struct FreeContext {
    void operator()(ssl_ctx_st* context) const;
  };
  Options options_;
  std::unique_ptr<ssl_ctx_st, FreeContext> context_;
  Fd listener_;
  SocketAddress address_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  mutable std::mutex mutex_;
  std::condition_variable stop_;
  Script script_;  // guarded by mutex_, and so are those below
  std::vector<int> open_;
  std::vector<FakeConnectionRecord> finished_;
  std::vector<std::string> requests_;
  std::vector<std::thread> connections_;  // the accepting thread's until it has ended
  std::thread acceptor_;
};

// Scripts.
// Answers every request with what `respond` returns, on one connection as long as the client wants.
FakeServer::Script http_script(std::function<std::string(const std::string& request)> respond);
// Waits for the client to go.
FakeServer::Script silent_script();
// A whole response with a short body.
std::string http_response(int status, std::string_view extra_headers = "");
// "/readyz" of "GET /readyz HTTP/1.1..."
std::string request_path(const std::string& request);

}  // namespace vipward::test
