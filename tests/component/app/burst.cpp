#include "tests/component/app/burst.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <memory>
#include <stdexcept>

#include "lb/event/time.h"
#include "lb/net/socket.h"

namespace vipward::test {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kLimit{60};
// RFC 8446 section 5.1: a handshake record, so that whoever stands between takes it for TLS.
constexpr char kHello = 22;

SocketAddress local(std::uint64_t port) {
  return *SocketAddress::parse("127.0.0.1:" + std::to_string(port));
}

struct Connection {
  enum class Kind : std::uint8_t { Listener, Client, Backend };
  Kind kind = Kind::Client;
  Fd socket;
  std::size_t backend = 0;
  bool is_done = false;
};

class Crowd {
 public:
  explicit Crowd(const std::vector<milliseconds>& delays) : delays_(delays), waiting_(delays.size()) {
    for (std::size_t i = 0; i < delays.size(); ++i) {
      auto& listener = add(Connection::Kind::Listener, listen_tcp(local(0)), i);
      watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    }
    answered_by_.resize(delays.size());
  }
  std::uint64_t port(std::size_t backend) const {
    return SocketAddress::local_of(connections_[backend]->socket.get()).port();
  }

  void run(const SocketAddress& proxy, std::uint64_t clients) {
    start_ = Clock::now();
    for (std::uint64_t i = 0; i < clients; ++i) {
      auto& client = add(Connection::Kind::Client, open_tcp(AF_INET), 0);
      const int error = start_connect(client.socket.get(), proxy);
      if (error != 0 && error != EINPROGRESS) throw std::runtime_error("connect");
      watch(client, EPOLL_CTL_ADD, EPOLLOUT);
      if (i % 64 == 0) turn(milliseconds(0));
    }
    while (served_ + reset_ < clients && Clock::now() < start_ + kLimit) turn(milliseconds(10));
  }
  std::uint64_t served() const { return served_; }
  std::uint64_t reset() const { return reset_; }
  Duration longest() const { return longest_; }
  std::uint64_t answered_by(std::size_t backend) const { return answered_by_[backend]; }

 private:
  struct Waiting {
    TimePoint due{};
    Connection* connection = nullptr;
  };

  Connection& add(Connection::Kind kind, Fd socket, std::size_t backend) {
    if (!socket) throw std::runtime_error("no descriptor");
    connections_.push_back(std::make_unique<Connection>(
        Connection{.kind = kind, .socket = std::move(socket), .backend = backend, .is_done = false}));
    return *connections_.back();
  }
  void watch(Connection& connection, int operation, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &connection;
    if (epoll_ctl(epoll_.get(), operation, connection.socket.get(), &event) != 0)
      throw std::runtime_error("epoll_ctl");
  }
  void turn(milliseconds timeout) {
    std::array<epoll_event, 256> events{};
    const int count =
        epoll_wait(epoll_.get(), events.data(), events.size(), static_cast<int>(timeout.count()));
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events.at(static_cast<std::size_t>(i));
      auto& connection = *static_cast<Connection*>(event.data.ptr);
      switch (connection.kind) {
        case Connection::Kind::Listener:
          accept_all(connection);
          break;
        case Connection::Kind::Backend:
          on_hello(connection);
          break;
        case Connection::Kind::Client:
          on_client(connection, event.events);
          break;
      }
    }
    answer();
  }
  void accept_all(Connection& listener) {
    SocketAddress peer;
    for (int i = 0; i < 64; ++i) {
      Fd socket = accept_from(listener.socket.get(), peer);
      if (!socket) return;
      watch(add(Connection::Kind::Backend, std::move(socket), listener.backend), EPOLL_CTL_ADD, EPOLLIN);
    }
  }
  // A check says nothing and goes.
  void on_hello(Connection& connection) {
    char hello = 0;
    if (recv(connection.socket.get(), &hello, 1, 0) <= 0) return connection.socket.reset();
    watch(connection, EPOLL_CTL_MOD, 0);
    waiting_[connection.backend].push_back(
        {.due = Clock::now() + delays_[connection.backend], .connection = &connection});
  }
  void answer() {
    for (std::deque<Waiting>& queue : waiting_) {
      for (; !queue.empty() && queue.front().due <= Clock::now(); queue.pop_front()) {
        Connection& connection = *queue.front().connection;
        ++answered_by_[connection.backend];
        send(connection.socket.get(), &kHello, 1, MSG_NOSIGNAL);
      }
    }
  }
  void on_client(Connection& client, std::uint32_t events) {
    if (client.is_done) return;
    if ((events & EPOLLIN) == 0 && (events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
      send(client.socket.get(), &kHello, 1, MSG_NOSIGNAL);
      return watch(client, EPOLL_CTL_MOD, EPOLLIN);
    }
    char answer = 0;
    const bool is_served = recv(client.socket.get(), &answer, 1, 0) == 1 && answer == kHello;
    ++(is_served ? served_ : reset_);
    longest_ = std::max(longest_, Duration(Clock::now() - start_));
    client.is_done = true;
    watch(client, EPOLL_CTL_MOD, 0);
  }

  const std::vector<milliseconds> delays_;
  Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  std::deque<std::unique_ptr<Connection>> connections_;  // first the listeners
  std::vector<std::deque<Waiting>> waiting_;             // by backend, the next one first
  TimePoint start_{};
  std::uint64_t served_ = 0;
  std::uint64_t reset_ = 0;
  Duration longest_{};
  std::vector<std::uint64_t> answered_by_;
};

}  // namespace

Burst::Burst(const std::vector<milliseconds>& delays)
    : process_([delays](NumberPipe& test) {
        Crowd crowd(delays);
        for (std::size_t i = 0; i < delays.size(); ++i) test.put(crowd.port(i));
        const auto port = test.get();
        const auto clients = test.get();
        if (!port || !clients) return;
        crowd.run(local(*port), *clients);
        test.put(crowd.served());
        test.put(crowd.reset());
        test.put(
            static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(crowd.longest()).count()));
        for (std::size_t i = 0; i < delays.size(); ++i) test.put(crowd.answered_by(i));
        test.get();  // until the test is over
      }) {
  for (std::size_t i = 0; i < delays.size(); ++i) backends_.push_back(local(process_.pipe().get().value()));
}

Burst::Outcome Burst::run(const SocketAddress& proxy, std::uint64_t clients) {
  NumberPipe& pipe = process_.pipe();
  pipe.put(proxy.port());
  pipe.put(clients);
  Outcome outcome;
  outcome.served = pipe.get().value();
  outcome.reset = pipe.get().value();
  outcome.longest = milliseconds(pipe.get().value());
  for (std::size_t i = 0; i < backends_.size(); ++i) outcome.answered_by.push_back(pipe.get().value());
  return outcome;
}

}  // namespace vipward::test
