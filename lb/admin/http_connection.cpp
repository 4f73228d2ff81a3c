#include "lb/admin/http_connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {

constexpr std::size_t kReadBytes = 8192;
constexpr std::size_t kMaxDiscarded = 1 << 20;

std::string_view error_text(int status) {
  switch (status) {
    case 405:
      return "only GET and HEAD\n";
    case 408:
      return "the request did not arrive in time\n";
    case 413:
      return "no request here takes a body\n";
    case 503:
      return "the answer took too long\n";
    case 431:
      return "the request head is too large\n";
    default:
      return "not an HTTP/1.1 request\n";
  }
}

HttpResponse error_response(int status) {
  return {.status = status, .body = std::string(error_text(status))};
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace

HttpConnection::HttpConnection(Context& context, Fd socket)
    : context_(context),
      socket_(std::move(socket)),
      poll_(context.loop, socket_.get(), [this](Poll::Ready ready) { on_ready(ready); }),
      deadline_(context.loop, [this] { on_deadline(); }),
      since_(context.loop.now()) {
  deadline_.arm_after(context_.timeouts.head);
  watch({.read = true});
}

void HttpConnection::start() {
  on_ready({.readable = true});
}

HttpConnection::Activity HttpConnection::activity() const {
  if (state_ == State::Writing || state_ == State::Waiting) return Activity::Response;
  if (state_ == State::Lingering || (parser_.is_empty() && input_.empty())) return Activity::Idle;
  return Activity::Request;
}

void HttpConnection::on_ready(Poll::Ready ready) {
  if (ready.failed || step() == Next::End) context_.on_end(*this);
}

void HttpConnection::on_deadline() {
  const bool half_a_request = state_ == State::Reading && !parser_.is_empty();
  if (state_ == State::Waiting) {
    if (answer(error_response(503), false) == Next::End) context_.on_end(*this);
    return;
  }
  // What is queued for a client that does not read would keep its memory for minutes.
  if (state_ == State::Writing) set_reset_on_close(socket_.get());
  if (!half_a_request || answer(error_response(408), false) == Next::End) context_.on_end(*this);
}

HttpConnection::Next HttpConnection::step() {
  switch (state_) {
    case State::Reading:
      return read_request();
    case State::Waiting:
      return Next::Continue;
    case State::Writing:
      return write_response();
    case State::Lingering:
      return discard_input();
  }
  return Next::End;
}

HttpConnection::Next HttpConnection::read_request() {
  if (input_.empty()) {
    std::array<char, kReadBytes> buffer;
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got == 0) return Next::End;
    if (got < 0) return would_block(errno) ? Next::Continue : Next::End;
    input_.assign(buffer.data(), static_cast<std::size_t>(got));
  }
  return take_input();
}

// One request per turn of the loop: a pipeline of hundreds must not hold up the others.
HttpConnection::Next HttpConnection::take_input() {
  if (parser_.is_empty()) since_ = context_.loop.now();
  input_.erase(0, parser_.feed(input_));
  if (const int status = parser_.error_status(); status != 0) return answer(error_response(status), false);
  if (!parser_.is_complete()) {
    if (!head_timed_) deadline_.arm_after(context_.timeouts.head);
    head_timed_ = true;
    watch({.read = true});
    return Next::Continue;
  }
  const HttpRequest& request = parser_.request();
  if (request.method == HttpMethod::Other) return answer(error_response(405), request.keep_alive);
  return answer(context_.handler(request), request.keep_alive);
}

// Nothing more is read meanwhile; that the client leaves shows when it is written to.
HttpConnection::Next HttpConnection::wait_for_answer(const std::function<void(HttpReply)>& later) {
  state_ = State::Waiting;
  awaited_ = std::make_shared<char>();
  deadline_.arm_after(context_.timeouts.answer);
  watch({});
  later([this, awaited = std::weak_ptr(awaited_)](const HttpResponse& response) {
    if (awaited.expired()) return;
    if (answer(response, keep_alive_) == Next::End) context_.on_end(*this);
  });
  return Next::Continue;
}

HttpConnection::Next HttpConnection::answer(const HttpResponse& response, bool keep_alive) {
  awaited_.reset();
  keep_alive_ = keep_alive;
  if (response.later) return wait_for_answer(response.later);
  const bool head_only = parser_.request().method == HttpMethod::Head;
  output_ = serialize_response(
      response, {.keep_alive = keep_alive, .head_only = head_only, .date = std::chrono::system_clock::now()});
  written_ = 0;
  state_ = State::Writing;
  deadline_.arm_after(context_.timeouts.write);
  return write_response();
}

HttpConnection::Next HttpConnection::write_response() {
  while (written_ < output_.size()) {
    const ssize_t sent =
        ::send(socket_.get(), output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0 && would_block(errno)) {
      watch({.write = true});
      return Next::Continue;
    }
    if (sent < 0) return Next::End;
    written_ += static_cast<std::size_t>(sent);
  }
  return finish_response();
}

HttpConnection::Next HttpConnection::finish_response() {
  output_ = {};
  since_ = context_.loop.now();
  if (keep_alive_) {
    wait_for_request();
    return Next::Continue;
  }
  input_ = {};
  if (::shutdown(socket_.get(), SHUT_WR) != 0) return Next::End;
  state_ = State::Lingering;
  deadline_.arm_after(context_.timeouts.linger);
  watch({.read = true});
  return Next::Continue;
}

void HttpConnection::wait_for_request() {
  parser_.reset();
  state_ = State::Reading;
  head_timed_ = !input_.empty();
  deadline_.arm_after(head_timed_ ? context_.timeouts.head : context_.timeouts.idle);
  // A pipelined request is here already; the socket, which can be written, brings us back in the next turn.
  if (input_.empty())
    watch({.read = true});
  else
    watch({.write = true});
}

HttpConnection::Next HttpConnection::discard_input() {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0) return would_block(errno) ? Next::Continue : Next::End;
  discarded_ += static_cast<std::size_t>(got);
  return got == 0 || discarded_ > kMaxDiscarded ? Next::End : Next::Continue;
}

void HttpConnection::watch(Poll::Interest interest) {
  if (interest.read == interest_.read && interest.write == interest_.write) return;
  interest_ = interest;
  poll_.watch(interest);
}

}  // namespace vipward
