#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "lb/net/socket.h"
#include "perf/data_path/exchange.h"

namespace vipward::perf {
namespace {

constexpr std::size_t kChunk = std::size_t{256} * 1024;
constexpr int kStopLooksMs = 50;

const std::vector<char>& chunk() {
  static const std::vector<char> bytes(kChunk, 'x');
  return bytes;
}

}  // namespace

struct ExchangeBackend::Connection {
  Fd socket;
  std::size_t asked_bytes = 0;   // of the next request
  std::size_t unsent_bytes = 0;  // of answers
  bool is_stream = false;
};

ExchangeBackend::ExchangeBackend() : ExchangeBackend(*SocketAddress::parse("127.0.0.1:0")) {}

ExchangeBackend::ExchangeBackend(const SocketAddress& address)
    : listener_(listen_tcp(address)),
      address_(SocketAddress::local_of(listener_.get())),
      thread_([this] { run(); }) {}

ExchangeBackend::~ExchangeBackend() {
  stopping_ = true;
  thread_.join();
}

void ExchangeBackend::run() {
  const Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event listening{.events = EPOLLIN, .data = {.ptr = nullptr}};
  epoll_ctl(epoll.get(), EPOLL_CTL_ADD, listener_.get(), &listening);
  std::array<epoll_event, 512> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll.get(), events.data(), events.size(), kStopLooksMs);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events.at(static_cast<std::size_t>(i));
      auto* connection = static_cast<Connection*>(event.data.ptr);
      if (connection == nullptr) {
        accept_some(epoll.get());
      } else if (!serve(epoll.get(), *connection, event.events)) {
        // Closing does not take it out while a child of this process, not yet executed, has it too
        // (epoll(7)).
        epoll_ctl(epoll.get(), EPOLL_CTL_DEL, connection->socket.get(), nullptr);
        connections_.erase(connection);
        connection_count_ = connections_.size();
      }
    }
  }
}

void ExchangeBackend::accept_some(int epoll) {
  SocketAddress peer;
  while (Fd socket = accept_from(listener_.get(), peer)) {
    auto connection = std::make_unique<Connection>();
    connection->socket = std::move(socket);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket.get(), &event) != 0) continue;
    connections_.emplace(connection.get(), std::move(connection));
    connection_count_ = connections_.size();
  }
}

bool ExchangeBackend::serve(int epoll, Connection& connection, unsigned events) {
  const int fd = connection.socket.get();
  if ((events & EPOLLIN) != 0) {
    std::array<char, 4096> bytes;
    const ssize_t got = recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got > 0 && bytes[0] == 'B') connection.is_stream = true;
    if (got > 0) connection.asked_bytes += static_cast<std::size_t>(got);
    connection.unsent_bytes += connection.asked_bytes / kRequestBytes * kAnswerBytes;
    connection.asked_bytes %= kRequestBytes;
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return false;
  const std::size_t wanted = connection.is_stream ? kChunk : connection.unsent_bytes;
  if (wanted == 0) return true;
  const ssize_t sent = send(fd, chunk().data(), wanted, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return false;
  if (sent > 0 && !connection.is_stream) connection.unsent_bytes -= static_cast<std::size_t>(sent);
  const bool has_more = connection.is_stream || connection.unsent_bytes > 0;
  const bool waits_for_room = (events & EPOLLOUT) != 0;
  if (has_more == waits_for_room) return true;
  epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
  if (has_more) event.events |= EPOLLOUT;
  return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0;
}

}  // namespace vipward::perf
