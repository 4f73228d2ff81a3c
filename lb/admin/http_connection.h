// One client of the admin server: reads a request, writes the answer, again; bounded in memory and in time.
// Owner: the HttpServer, which destroys it when it says that it has ended. Loop thread only.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "lb/admin/http_request.h"
#include "lb/admin/http_response.h"
#include "lb/event/loop.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/net/fd.h"

namespace vipward {

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

struct HttpTimeouts {
  Duration head = std::chrono::seconds(10);   // for a whole request head; the first one from the accept on
  Duration write = std::chrono::seconds(30);  // for taking a whole response
  Duration idle = std::chrono::seconds(60);   // between two requests
  Duration answer = std::chrono::seconds(2);  // for a handler that answers later
  Duration linger = std::chrono::seconds(2);  // for the client to close after our last response
};

class HttpConnection {
 public:
  // What all connections of a server share; outlives them.
  struct Context {
    Loop& loop;
    HttpTimeouts timeouts;
    HttpHandler handler;
    std::function<void(HttpConnection&)> on_end;  // destroys the connection
  };
  HttpConnection(Context& context, Fd socket);
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Takes what has arrived already. Like every event it may end the connection: the last thing to do with it.
  void start();
  // What closing it would harm.
  enum class Activity : std::uint8_t {
    Idle,     // nothing: no request is under way
    Request,  // a request that has not arrived whole yet
    Response,
  };
  Activity activity() const;
  // Since when it has been idle, or reading this request.
  TimePoint since() const { return since_; }

 private:
  enum class State : std::uint8_t {
    Reading,    // a request head
    Waiting,    // for the handler, which answers later
    Writing,    // its response
    Lingering,  // our side is finished; what the client still sends is thrown away, lest a reset overtake the
                // response
  };
  enum class Next : std::uint8_t { Continue, End };

  void on_ready(Poll::Ready ready);
  void on_deadline();
  Next step();
  Next read_request();
  Next take_input();
  Next answer(const HttpResponse& response, bool keep_alive);
  Next wait_for_answer(const std::function<void(HttpReply)>& later);
  Next write_response();
  Next finish_response();
  Next discard_input();
  void wait_for_request();
  void watch(Poll::Interest interest);

  Context& context_;
  Fd socket_;
  Poll poll_;
  Timer deadline_;
  Poll::Interest interest_;
  State state_ = State::Reading;
  HttpRequestParser parser_;
  std::string input_;        // received, not yet parsed: the start of a pipelined request
  std::string output_;       // the response
  std::size_t written_ = 0;  // of output_
  bool keep_alive_ = false;  // after the response
  std::shared_ptr<char>
      awaited_;             // while the handler has not answered; its reply looks whether it is still there
  bool head_timed_ = true;  // the deadline is that of a request head
  std::size_t discarded_ = 0;
  TimePoint since_;
};

}  // namespace vipward
