#include "perf/data_path/reconnecting_clients.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include "lb/net/socket.h"
#include "perf/data_path/exchange.h"

namespace vipward::perf {
namespace {

using namespace std::chrono_literals;

constexpr auto kLimit = 30s;
constexpr unsigned kGently = 64;
// So many begin before those that are connected are asked for: nobody waits with its request for the others.
constexpr unsigned kBatch = 32;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

struct ReconnectingClients::Client {
  Fd socket;
  bool has_asked = false;
  std::size_t heard_bytes = 0;
};

ReconnectingClients::ReconnectingClients(const SocketAddress& target, unsigned count)
    : target_(target), epoll_(epoll_create1(EPOLL_CLOEXEC)), clients_(count) {
  if (!epoll_) fail("epoll_create1");
  serve_all(kGently);
}

ReconnectingClients::~ReconnectingClients() = default;

ReconnectingClients::Outcome ReconnectingClients::reconnect() {
  for (Client& client : clients_) client.socket = Fd();  // SO_LINGER 0: that is a reset
  return serve_all(static_cast<unsigned>(clients_.size()));
}

ReconnectingClients::Outcome ReconnectingClients::serve_all(unsigned at_once) {
  served_ = 0;
  turned_away_ = 0;
  const auto start = Clock::now();
  const auto limit = start + kLimit;
  std::size_t begun = 0;
  while (served_ < clients_.size()) {
    const std::size_t room = std::min(served_ + at_once, clients_.size());
    for (unsigned i = 0; i < kBatch && begun < room; ++i) begin(clients_[begun++]);
    take_events(begun < room ? Clock::now() : limit);
    if (Clock::now() >= limit)
      throw std::runtime_error(std::to_string(clients_.size() - served_) + " clients were not served");
  }
  return {.time = Clock::now() - start, .turned_away = turned_away_};
}

void ReconnectingClients::begin(Client& client) {
  client = {};
  client.socket = open_tcp(AF_INET);
  if (!client.socket) fail("socket");
  const int error = start_connect(client.socket.get(), target_);
  if (error != 0 && error != EINPROGRESS) {
    errno = error;
    fail("connect");
  }
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.ptr = &client}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client.socket.get(), &event) != 0) fail("epoll_ctl");
}

void ReconnectingClients::turn_away(Client& client) {
  if (client.heard_bytes == kAnswerBytes) throw std::runtime_error("a session ended after its answer");
  ++turned_away_;
  begin(client);
}

void ReconnectingClients::on_events(Client& client, unsigned events) {
  const int fd = client.socket.get();
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return turn_away(client);
  if (!client.has_asked && (events & EPOLLOUT) != 0) {
    std::array<char, kRequestBytes> request;
    request.fill('q');
    client.has_asked = true;
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
      return turn_away(client);
  }
  if ((events & EPOLLIN) == 0 || client.heard_bytes == kAnswerBytes) return;
  std::array<char, kAnswerBytes> answer;
  const ssize_t got = recv(fd, answer.data(), answer.size() - client.heard_bytes, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return turn_away(client);
  client.heard_bytes += static_cast<std::size_t>(got);
  if (client.heard_bytes == kAnswerBytes) ++served_;
}

void ReconnectingClients::take_events(Clock::time_point deadline) {
  std::array<epoll_event, 512> events;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  const int timeout = static_cast<int>(std::max(left, 0ms).count());
  const int count = epoll_wait(epoll_.get(), events.data(), events.size(), timeout);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events.at(static_cast<std::size_t>(i));
    on_events(*static_cast<Client*>(event.data.ptr), event.events);
  }
}

}  // namespace vipward::perf
