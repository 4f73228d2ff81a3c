#include <sys/epoll.h>
#include <sys/prctl.h>
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

constexpr auto kPatience = 10s;  // for an answer; far more than any takes

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

Fd make_epoll() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) fail("epoll_create1");
  return epoll;
}

void watch(const Fd& epoll, int fd, void* whom) {
  epoll_event event{.events = EPOLLIN, .data = {.ptr = whom}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

// Connected: on loopback that takes no time, and a queue that is full is worth a failure.
Fd connected(const SocketAddress& target) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t size = target.to_sockaddr(storage);
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0)
    fail("connect");
  return socket;
}

void say(int fd, char first) {
  std::array<char, kRequestBytes> request;
  request.fill('q');
  request[0] = first;
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    fail("send");
}

// What is read without epoll must not wait for ever.
void limit_waiting(int fd) {
  const timeval limit{.tv_sec = kPatience.count(), .tv_usec = 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) fail("SO_RCVTIMEO");
}

// To the microsecond: epoll_wait(2) knows milliseconds, and sleeps for longer by the timer slack.
int wait_until(const Fd& epoll, std::span<epoll_event> events,
               std::chrono::steady_clock::time_point deadline) {
  const auto left =
      std::max(deadline - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  const timespec timeout{.tv_sec = seconds.count(),
                         .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
  return epoll_pwait2(epoll.get(), events.data(), static_cast<int>(events.size()), &timeout, nullptr);
}

}  // namespace

struct ExchangeClients::Connection {
  Fd socket;
  std::size_t heard_bytes = 0;
  Clock::time_point since{};
};

ExchangeClients::ExchangeClients(const Options& options) : options_(options), epoll_(make_epoll()) {
  prctl(PR_SET_TIMERSLACK, 1);
  for (unsigned i = 0; i < options.connections; ++i) {
    Connection& connection = connections_.emplace_back();
    connect(connection);
    limit_waiting(connection.socket.get());
    ask(connection);
    while (!hear(connection)) continue;
  }
  // The idle ones are not looked at.
  for (unsigned i = 0; i < options.busy; ++i) watch(epoll_, connections_[i].socket.get(), &connections_[i]);
}

ExchangeClients::~ExchangeClients() = default;

void ExchangeClients::connect(Connection& connection) {
  connection.socket = connected(options_.target);
}

void ExchangeClients::ask(Connection& connection) {
  connection.heard_bytes = 0;
  say(connection.socket.get(), 'q');
}

bool ExchangeClients::hear(Connection& connection) {
  std::array<char, kAnswerBytes> bytes;
  const ssize_t got = recv(connection.socket.get(), bytes.data(), bytes.size() - connection.heard_bytes, 0);
  if (got < 0) fail("recv");
  if (got == 0) throw std::runtime_error("a session ended");
  connection.heard_bytes += static_cast<std::size_t>(got);
  return connection.heard_bytes == kAnswerBytes;
}

const std::vector<ExchangeClients::Connection*>& ExchangeClients::answered(Clock::time_point deadline) {
  std::array<epoll_event, 512> events;
  answered_.clear();
  const int count = wait_until(epoll_, events, deadline);
  for (int i = 0; i < count; ++i) {
    auto* connection = static_cast<Connection*>(events.at(static_cast<std::size_t>(i)).data.ptr);
    if (hear(*connection)) answered_.push_back(connection);
  }
  return answered_;
}

void ExchangeClients::finish(unsigned outstanding) {
  const auto limit = Clock::now() + kPatience;
  while (outstanding > 0) {
    if (Clock::now() >= limit)
      throw std::runtime_error(std::to_string(outstanding) + " answers did not come");
    outstanding -= static_cast<unsigned>(answered(limit).size());
  }
}

ExchangeClients::Tally ExchangeClients::run(std::chrono::milliseconds time) {
  Tally tally;
  const auto start = Clock::now();
  const auto end = start + time;
  for (unsigned i = 0; i < options_.busy; ++i) ask(connections_[i]);
  auto last = start;
  auto answer = start;  // the last one
  while ((last = Clock::now()) < end) {
    const auto& all = answered(last + kPatience);
    if (all.empty()) {
      if (Clock::now() - answer >= kPatience) throw std::runtime_error("answers do not come");
      continue;
    }
    answer = Clock::now();
    tally.exchanges += all.size();
    for (Connection* connection : all) {
      if (options_.reconnects) {
        connect(*connection);  // which closes the other one
        watch(epoll_, connection->socket.get(), connection);
      }
      ask(*connection);
    }
  }
  tally.time = last - start;
  finish(options_.busy);
  return tally;
}

void ExchangeClients::exchange(unsigned count) {
  Connection& first = connections_.front();
  for (unsigned i = 0; i < count; ++i) {
    ask(first);
    while (!hear(first)) continue;
  }
}

ExchangeClients::Tally ExchangeClients::run_paced(std::chrono::milliseconds time, double per_second) {
  Tally tally;
  const auto start = Clock::now();
  const auto end = start + time;
  const auto gap = std::chrono::duration<double>(1 / per_second);
  const auto due_of = [&](std::uint64_t i) {
    return start + std::chrono::duration_cast<Clock::duration>(gap * static_cast<double>(i));
  };
  std::vector<Connection*> free;
  for (unsigned i = 0; i < options_.busy; ++i) free.push_back(&connections_[i]);
  std::uint64_t asked = 0;
  tally.latencies_us.reserve(
      static_cast<std::size_t>(per_second * std::chrono::duration<double>(time).count()) + 1);
  for (auto now = start; now < end; now = Clock::now()) {
    for (; due_of(asked) <= now && !free.empty(); ++asked) {
      free.back()->since = due_of(asked);
      ask(*free.back());
      free.pop_back();
    }
    const auto next = free.empty() ? end : std::min(end, due_of(asked));
    const auto& all = answered(next);
    const auto heard = Clock::now();
    for (Connection* connection : all) {
      tally.latencies_us.push_back(
          std::chrono::duration<double, std::micro>(heard - connection->since).count());
      free.push_back(connection);
    }
  }
  tally.exchanges = tally.latencies_us.size();
  tally.time = Clock::now() - start;
  finish(options_.busy - static_cast<unsigned>(free.size()));
  return tally;
}

StreamClients::StreamClients(const SocketAddress& target, unsigned streams) : epoll_(make_epoll()) {
  for (unsigned i = 0; i < streams; ++i) {
    streams_.push_back(connected(target));
    say(streams_.back().get(), 'B');
  }
  for (Fd& stream : streams_) watch(epoll_, stream.get(), &stream);
}

std::uint64_t StreamClients::run(std::chrono::milliseconds time) {
  static std::vector<char> bytes(std::size_t{256} * 1024);
  std::array<epoll_event, 64> events;
  std::uint64_t sum = 0;
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
    const int count = wait_until(epoll_, events, end);
    for (int i = 0; i < count; ++i) {
      const Fd& stream = *static_cast<Fd*>(events.at(static_cast<std::size_t>(i)).data.ptr);
      const ssize_t got = recv(stream.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got == 0) throw std::runtime_error("a stream ended");
      if (got < 0 && errno != EAGAIN) fail("recv");
      if (got > 0) sum += static_cast<std::uint64_t>(got);
    }
  }
  return sum;
}

IdleClients::IdleClients(const SocketAddress& target, unsigned count)
    : clients_({.target = target, .connections = count, .busy = 0, .reconnects = false}) {}

}  // namespace vipward::perf
