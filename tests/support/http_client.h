// A small HTTP/1.1 client that blocks, with a deadline on everything: what a test asks the API, the metrics
// or a stand-in with. Keeps its connection between requests. One thread at a time.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/client_stream.h"

namespace vipward::test {

struct HttpResponse {
  ClientError error = ClientError::None;
  std::string detail;  // of the error
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::chrono::milliseconds duration{0};
  bool is_ok() const { return error == ClientError::None && status == 200; }
};
// "200 ok\n", or "reset: Connection reset by peer": for messages of failed tests.
std::string describe(const HttpResponse& response);

class HttpClient {
 public:
  struct Options {
    SocketAddress address;
    std::shared_ptr<const ClientTlsContext> tls{};  // owners: every client of it; absent: plain HTTP
    std::chrono::milliseconds limit{5000};          // of a request, the connection included
    std::map<std::string, std::string> headers{};   // sent with every request
  };
  struct Request {
    std::string method = "GET";
    std::string path = "/";
    std::string body{};
    bool close = false;  // "Connection: close"
  };

  explicit HttpClient(Options options) : options_(std::move(options)) {}

  // Connects, TLS included, if there is no connection. The error of it, or None.
  ClientError connect();
  // Sends the request and reads all of its answer. A connection that the server closed while it was idle is
  // an error like any other: nothing is sent twice.
  HttpResponse send(const Request& request);
  HttpResponse get(const std::string& path) { return send({.path = path}); }
  // Sends the request and returns with the head of the answer; read_line() and read_body() take the rest.
  HttpResponse open(const Request& request);
  // Sends bytes as they are, connecting first if needed; read_line() then gives the lines that come back.
  ClientError send_bytes(std::string_view bytes);
  // The next line of the body of what open() asked for, without its end; chunks are put together.
  struct Line {
    ClientError error = ClientError::None;
    std::string text{};
    bool is_end = false;  // no line: the body has ended in good order, the connection is still there
  };
  Line read_line(std::chrono::milliseconds limit);

  // Waits for the connection to end and says how: Closed, Reset, or Timeout if it is still there. Reads and
  // drops what comes.
  ClientError wait_for_end(std::chrono::milliseconds limit);
  bool is_connected() const { return stream_ != nullptr; }
  void disconnect();
  SocketAddress local() const { return stream_ ? stream_->local() : SocketAddress(); }
  const std::string& detail() const { return detail_; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  template <class Action>
  ClientError finish(Action action, TimePoint deadline);
  ClientError connect_until(TimePoint deadline);
  ClientError receive_until(TimePoint deadline);
  ClientError read_head(HttpResponse& response, TimePoint deadline);
  ClientError read_body(HttpResponse& response, TimePoint deadline);
  ClientError read_chunk(std::string& into, bool& is_last, TimePoint deadline);
  ClientError take_line(std::string& line, TimePoint deadline);
  ClientError begin(const Request& request, HttpResponse& response, TimePoint deadline);

  Options options_;
  std::unique_ptr<ClientStream> stream_;
  std::string received_;  // and not used yet
  std::string detail_;
  bool chunked_ = false;   // of what open() asked for
  std::string body_rest_;  // chunks put together, not yet a line
};

// One request on a connection of its own.
HttpResponse http_get(HttpClient::Options options, const std::string& path);

}  // namespace vipward::test
