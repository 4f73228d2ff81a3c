#include "lb/admin/http_server.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {

constexpr int kAcceptsPerTurn = 32;

bool is_unix_socket(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

// What stays wrong for a while. Everything else that accept(2) says concerns one connection.
bool is_exhausted(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EINVAL:  // not listening any more: shutdown(2)
      return true;
    default:
      return false;
  }
}

bool make_non_blocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

}  // namespace

HttpServer::HttpServer(Loop& loop, Log& log, Options options, HttpHandler handler)
    : log_(log),
      options_(std::move(options)),
      context_{.loop = loop,
               .timeouts = options_.timeouts,
               .handler = std::move(handler),
               .on_end = [this](HttpConnection& connection) { remove(&connection); }},
      resume_(loop, [this] { on_acceptable(); }) {}

HttpServer::HttpServer(Loop& loop, Log& log, Fd listener, Options options, HttpHandler handler)
    : HttpServer(loop, log, std::move(options), std::move(handler)) {
  listener_ = std::move(listener);
  is_unix_ = is_unix_socket(listener_.get());
  if (!make_non_blocking(listener_.get()))
    throw std::system_error(errno, std::system_category(), "admin listener");
  poll_.emplace(loop, listener_.get(), [this](Poll::Ready) { on_acceptable(); });
  poll_->watch({.read = true});
}

void HttpServer::stop_accepting() {
  resume_.cancel();
  poll_.reset();
  listener_.reset();
}

bool HttpServer::is_answering() const {
  return std::ranges::any_of(connections_, [](const auto& connection) {
    return connection->activity() != HttpConnection::Activity::Idle;
  });
}

void HttpServer::on_acceptable() {
  for (int i = 0; i < kAcceptsPerTurn; ++i)
    if (!accept_one()) return;
}

bool HttpServer::accept_one() {
  SocketAddress peer;
  Fd socket = accept_from(listener_.get(), peer);
  const int error = socket ? 0 : errno;
  if (is_exhausted(error)) {
    pause(error);
    return false;
  }
  resume();
  if (error != 0) return error != EAGAIN;
  if (is_allowed(peer)) {
    adopt(std::move(socket));
  } else {
    set_reset_on_close(socket.get());
  }
  return true;
}

void HttpServer::adopt(Fd connection) {
  if (!make_non_blocking(connection.get()) || !make_room()) return set_reset_on_close(connection.get());
  set_orderly_close(connection.get());  // listeners hand down SO_LINGER 0
  connections_.push_back(std::make_unique<HttpConnection>(context_, std::move(connection)));
  connections_.back()->start();
}

bool HttpServer::is_allowed(const SocketAddress& peer) const {
  if (is_unix_ || options_.allow.empty()) return true;
  return std::any_of(options_.allow.begin(), options_.allow.end(),
                     [&](const Cidr& cidr) { return cidr.contains(peer.ip()); });
}

bool HttpServer::make_room() {
  if (connections_.size() < options_.max_connections) return true;
  const auto rank = [](const auto& connection) {
    return std::pair(connection->activity(), connection->since());
  };
  const auto least = std::ranges::min_element(connections_, {}, rank);
  if (least == connections_.end() || (*least)->activity() == HttpConnection::Activity::Response) return false;
  connections_.erase(least);
  return true;
}

// The listener stays readable while descriptors are missing: watching it would spin.
void HttpServer::pause(int error) {
  if (!std::exchange(paused_, true)) {
    poll_->watch({});
    log_.warn("admin listener pauses", {{"reason", std::system_category().message(error)}});
  }
  resume_.arm_after(options_.accept_pause);
}

void HttpServer::resume() {
  if (!std::exchange(paused_, false)) return;
  poll_->watch({.read = true});
  log_.info("admin listener accepts again");
}

void HttpServer::remove(const HttpConnection* connection) {
  std::erase_if(connections_, [&](const auto& owned) { return owned.get() == connection; });
}

}  // namespace vipward
