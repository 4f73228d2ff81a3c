// A small HTTP/1.1 server for a few clients: metrics, readiness, status. GET and HEAD only, bounded in
// connections, memory and time, never blocks its loop. Owner: the app, one per admin listener and one,
// without a listener, for what others have accepted. Loop thread only; it goes before its loop, open
// connections are closed with it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/admin/http_connection.h"
#include "lb/event/loop.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/log/log.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

class HttpServer {
 public:
  struct Options {
    std::vector<Cidr> allow{};  // others are reset at once; empty: everyone. Not asked on unix sockets.
    // For one more the connection that is idle longest is closed, or if none is the one that has been reading
    // a request longest: half requests must deny nobody an answer. If all write a response, the new one is
    // reset.
    std::size_t max_connections = 64;
    HttpTimeouts timeouts{};
    Duration accept_pause = std::chrono::milliseconds(100);  // when descriptors run out
  };
  // `listener`: a listening stream socket, TCP or unix; it is made non-blocking. `handler` runs on the loop
  // and must not block or destroy the server.
  HttpServer(Loop& loop, Log& log, Fd listener, Options options, HttpHandler handler);
  // Without a listener: serves what it is given.
  HttpServer(Loop& loop, Log& log, Options options, HttpHandler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // A connection that somebody else has accepted, and asked who it is. It may be closed at once, see
  // Options::max_connections.
  void adopt(Fd connection);
  // Nobody new; connections go on.
  void stop_accepting();
  // A client waits for an answer, or reads one.
  bool is_answering() const;
  std::size_t connection_count() const { return connections_.size(); }

 private:
  void on_acceptable();
  // False: no more for now.
  bool accept_one();
  bool is_allowed(const SocketAddress& peer) const;
  bool make_room();
  void pause(int error);
  void resume();
  void remove(const HttpConnection* connection);

  Log& log_;
  Fd listener_;
  Options options_;
  bool is_unix_ = false;
  bool paused_ = false;
  HttpConnection::Context context_;
  std::optional<Poll> poll_;  // of the listener
  Timer resume_;
  std::vector<std::unique_ptr<HttpConnection>> connections_;
};

}  // namespace vipward
