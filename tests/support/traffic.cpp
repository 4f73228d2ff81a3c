#include "tests/support/traffic.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "lb/net/socket.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kChunk = std::size_t{32} * 1024;
// A prime, so that what is shifted by any usual amount is not the same.
constexpr std::size_t kPeriod = 1'000'003;
constexpr std::size_t kRequest = 16;

const std::vector<char>& table() {
  static const std::vector<char> bytes = [] {
    std::vector<char> random(kPeriod + kChunk);
    std::mt19937_64 generator(4711);
    for (std::size_t i = 0; i < kPeriod; ++i) random[i] = static_cast<char>(generator());
    std::copy_n(random.begin(), kChunk, random.begin() + kPeriod);
    return random;
  }();
  return bytes;
}

// What a session says first: what it is, and which one.
struct Greeting {
  char kind = 0;
  std::array<char, 3> padding{};
  std::uint32_t session = 0;
};

// Level-triggered: whoever has had its share of a turn is ready in the next one, too. A session that were
// served until it has nothing left would hold up the others for as long as what is tested keeps it busy.
void watch(int epoll, int operation, int fd, void* who, bool writes) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  if (writes) event.events |= EPOLLOUT;
  event.data.ptr = who;
  if (epoll_ctl(epoll, operation, fd, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

ssize_t send_to(int fd, std::span<const char> data) {
  return send(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

TrafficStream::TrafficStream(std::uint32_t session, bool to_backend)
    : offset_((session * 7919ULL + (to_backend ? 500'000 : 0)) % kPeriod) {}

std::span<const char> TrafficStream::next(std::size_t most) const {
  return std::span(table()).subspan((offset_ + position_) % kPeriod, std::min(most, kChunk));
}

bool TrafficStream::accept(std::span<const char> data) {
  while (!data.empty()) {
    const auto expected = next(data.size());
    if (std::memcmp(expected.data(), data.data(), expected.size()) != 0) return false;
    advance(expected.size());
    data = data.subspan(expected.size());
  }
  return true;
}

struct TrafficBackend::Connection {
  Fd socket;
  std::size_t greeted = 0;
  Greeting greeting;
  std::unique_ptr<TrafficStream> in;  // of a bulk session
  std::unique_ptr<TrafficStream> out;
  std::vector<char> echo;  // not taken yet
  bool writes = false;     // has something to send, and is watched for that
};

TrafficBackend::TrafficBackend(const SocketAddress& address)
    : listener_(listen_tcp(address)),
      address_(SocketAddress::local_of(listener_.get())),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  table();
  watch(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), nullptr, false);
  thread_ = std::thread([this] { run(); });
}

TrafficBackend::~TrafficBackend() {
  stopping_ = true;
  thread_.join();
}

void TrafficBackend::run() {
  std::vector<std::unique_ptr<Connection>> all;
  std::array<epoll_event, 64> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 20);
    for (int i = 0; i < count; ++i) {
      auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (connection != nullptr) {
        if (connection->socket && !serve(*connection)) {
          connection->socket.reset();
          --connections_;
        }
        continue;
      }
      for (SocketAddress peer;;) {
        Fd socket = accept_from(listener_.get(), peer);
        if (!socket) break;
        ++connections_;
        all.push_back(std::make_unique<Connection>());
        all.back()->socket = std::move(socket);
        watch(epoll_.get(), EPOLL_CTL_ADD, all.back()->socket.get(), all.back().get(), false);
      }
    }
  }
}

bool TrafficBackend::serve(Connection& connection) {
  if (!receive(connection) || !send_some(connection)) return false;
  const bool writes = connection.out || !connection.echo.empty();
  if (writes != std::exchange(connection.writes, writes))
    watch(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &connection, writes);
  return true;
}

bool TrafficBackend::receive(Connection& connection) {
  std::array<char, kChunk> buffer;
  const ssize_t got = recv(connection.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return true;
  if (got <= 0) return false;
  std::span<const char> data(buffer.data(), static_cast<std::size_t>(got));
  // Whoever does not greet is a prober: what it says is echoed.
  const bool greets = connection.greeted > 0 || data.front() == 'B' || data.front() == 'R';
  if (!greets) connection.greeted = sizeof(Greeting);
  while (connection.greeted < sizeof(Greeting) && !data.empty()) {
    reinterpret_cast<char*>(&connection.greeting)[connection.greeted++] = data.front();
    data = data.subspan(1);
  }
  if (connection.greeted < sizeof(Greeting)) return true;
  if (connection.greeting.kind != 'B') {
    connection.echo.insert(connection.echo.end(), data.begin(), data.end());
    return true;
  }
  if (!connection.in) {
    connection.in = std::make_unique<TrafficStream>(connection.greeting.session, true);
    connection.out = std::make_unique<TrafficStream>(connection.greeting.session, false);
  }
  if (connection.in->accept(data)) return true;
  ++corrupt_;
  return false;
}

bool TrafficBackend::send_some(Connection& connection) {
  const int fd = connection.socket.get();
  if (connection.out) {
    const ssize_t sent = send_to(fd, connection.out->next(kChunk));
    if (sent > 0) connection.out->advance(static_cast<std::size_t>(sent));
    return sent >= 0 || errno == EAGAIN;
  }
  if (connection.echo.empty()) return true;
  const ssize_t sent = send_to(fd, connection.echo);
  if (sent > 0) connection.echo.erase(connection.echo.begin(), connection.echo.begin() + sent);
  return sent >= 0 || errno == EAGAIN;
}

struct TrafficClients::Session {
  TrafficKind kind = TrafficKind::Idle;
  Fd socket;
  TrafficStream out{0, true};
  TrafficStream in{0, false};
  Clock::time_point got_at{};  // bulk: the last time; else when it was asked
  bool is_waiting = false;     // for an answer
  std::uint64_t asked = 0;     // requests so far
  std::array<char, kRequest> request{};
  std::size_t answered = 0;  // bytes of the answer
  std::uint64_t exchanges = 0;
};

TrafficClients::TrafficClients(const Options& options)
    : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  table();
  const auto connect_all = [&](TrafficKind kind, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      auto session = std::make_unique<Session>();
      const auto number = static_cast<std::uint32_t>(sessions_.size());
      session->kind = kind;
      session->out = TrafficStream(number, true);
      session->in = TrafficStream(number, false);
      session->socket.reset(::socket(options.target.ip().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_storage storage{};
      const socklen_t size = options.target.to_sockaddr(storage);
      if (connect(session->socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0)
        throw std::system_error(errno, std::generic_category(), "traffic: connect");
      const Greeting greeting{.kind = kind == TrafficKind::Bulk ? 'B' : 'R', .session = number};
      if (kind != TrafficKind::Silent) send(session->socket.get(), &greeting, sizeof greeting, MSG_NOSIGNAL);
      sessions_.push_back(std::move(session));
    }
  };
  connect_all(TrafficKind::Silent, options.silent);
  connect_all(TrafficKind::Idle, options.idle);
  connect_all(TrafficKind::Request, options.request);
  connect_all(TrafficKind::Bulk, options.bulk);
  tally_.alive = static_cast<unsigned>(sessions_.size());
  const auto now = Clock::now();
  for (const auto& session : sessions_) {
    session->got_at = now;
    watch(epoll_.get(), EPOLL_CTL_ADD, session->socket.get(), session.get(),
          session->kind == TrafficKind::Bulk);
  }
  thread_ = std::thread([this] { run(); });
  if (count_stuck(30s) > 0) throw std::runtime_error("traffic: not every session is served");
  take_longest_stall();
}

TrafficClients::~TrafficClients() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

void TrafficClients::run() {
  std::array<epoll_event, 64> events;
  while (!stopping_) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), 1);
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      on_event(*static_cast<Session*>(event.data.ptr), event.events, now);
    }
    turn(now);
  }
}

// Requests are spread over their interval.
void TrafficClients::turn(Clock::time_point now) {
  if (options_.request == 0 || now < next_request_) return;
  const unsigned first = options_.silent + options_.idle;
  const auto share = std::max<std::size_t>(
      1, options_.request /
             static_cast<std::size_t>(std::max<std::int64_t>(1, options_.request_interval.count())));
  next_request_ = now + 1ms;
  for (std::size_t i = 0; i < share; ++i) {
    Session& session = *sessions_[first + next_asked_++ % options_.request];
    if (!session.is_waiting) ask(session, now);
  }
}

void TrafficClients::ask(Session& session, Clock::time_point now) {
  if (!session.socket) return;
  if (session.kind == TrafficKind::Silent && session.asked == 0) {
    const Greeting greeting{.kind = 'R', .session = 0};
    send(session.socket.get(), &greeting, sizeof greeting, MSG_NOSIGNAL);
  }
  const std::uint64_t number = ++session.asked;
  std::memcpy(session.request.data(), &number, sizeof number);
  session.is_waiting = true;
  session.answered = 0;
  session.got_at = now;
  // So little is taken whole, or the connection is gone.
  if (send_to(session.socket.get(), session.request) < 0 && errno != EAGAIN) end(session, &Tally::reset);
}

void TrafficClients::on_event(Session& session, std::uint32_t events, Clock::time_point now) {
  if (!session.socket) return;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) receive_some(session, now);
  if (session.socket && (events & EPOLLOUT) != 0) send_some(session);
}

void TrafficClients::send_some(Session& session) {
  const ssize_t sent = send_to(session.socket.get(), session.out.next(kChunk));
  if (sent >= 0) return session.out.advance(static_cast<std::size_t>(sent));
  if (errno != EAGAIN) end(session, &Tally::reset);
}

void TrafficClients::receive_some(Session& session, Clock::time_point now) {
  std::array<char, kChunk> buffer;
  const ssize_t got = recv(session.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return end(session, got == 0 ? &Tally::closed : &Tally::reset);
  const std::span<const char> data(buffer.data(), static_cast<std::size_t>(got));
  const auto stall = std::chrono::duration_cast<std::chrono::microseconds>(now - session.got_at);
  if (session.kind == TrafficKind::Bulk) {
    if (!session.in.accept(data)) return end(session, &Tally::corrupt);
    longest_stall_ = std::max(longest_stall_, stall);
    session.got_at = now;
    ++session.exchanges;
    tally_.bytes += data.size();
    return;
  }
  const bool fits = session.is_waiting && session.answered + data.size() <= kRequest &&
                    std::memcmp(session.request.data() + session.answered, data.data(), data.size()) == 0;
  if (!fits) return end(session, &Tally::corrupt);
  session.answered += data.size();
  if (session.answered < kRequest) return;
  longest_stall_ = std::max(longest_stall_, stall);
  session.is_waiting = false;
  ++session.exchanges;
  ++tally_.requests;
}

void TrafficClients::end(Session& session, unsigned Tally::*how) {
  session.socket.reset();
  --tally_.alive;
  ++(tally_.*how);
}

TrafficClients::Tally TrafficClients::tally() const {
  const std::lock_guard lock(mutex_);
  return tally_;
}

std::chrono::microseconds TrafficClients::take_longest_stall() {
  const std::lock_guard lock(mutex_);
  // One that lasts still.
  const auto now = Clock::now();
  for (const auto& session : sessions_) {
    if (session->socket && (session->kind == TrafficKind::Bulk || session->is_waiting))
      longest_stall_ = std::max(longest_stall_,
                                std::chrono::duration_cast<std::chrono::microseconds>(now - session->got_at));
  }
  return std::exchange(longest_stall_, {});
}

void TrafficClients::spread(std::chrono::milliseconds time) {
  const auto began = Clock::now();
  for (unsigned asked = 0; asked < options_.idle;) {
    const double passed = (Clock::now() - began) / std::chrono::duration<double>(time);
    {
      const std::lock_guard lock(mutex_);
      for (; asked < options_.idle && asked <= passed * options_.idle; ++asked) {
        Session& session = *sessions_[options_.silent + asked];
        if (!session.is_waiting) ask(session, Clock::now());
      }
    }
    std::this_thread::sleep_for(1ms);
  }
}

void TrafficClients::watch_bulk(int operation) {
  const std::lock_guard lock(mutex_);
  for (const auto& session : sessions_) {
    if (session->kind == TrafficKind::Bulk && session->socket)
      watch(epoll_.get(), operation, session->socket.get(), session.get(), true);
  }
}

void TrafficClients::pause_bulk() {
  watch_bulk(EPOLL_CTL_DEL);
}

void TrafficClients::resume_bulk() {
  watch_bulk(EPOLL_CTL_ADD);
}

void TrafficClients::speak_up() {
  const std::lock_guard lock(mutex_);
  for (const auto& session : sessions_) {
    if (session->kind != TrafficKind::Silent) continue;
    ask(*session, Clock::now());
    session->kind = TrafficKind::Idle;
  }
}

unsigned TrafficClients::count_stuck(std::chrono::milliseconds limit) {
  std::vector<std::uint64_t> before;
  {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    for (const auto& session : sessions_) {
      before.push_back(session->exchanges);
      if (session->kind != TrafficKind::Bulk && session->kind != TrafficKind::Silent && !session->is_waiting)
        ask(*session, now);
    }
  }
  const auto until = Clock::now() + limit;
  for (;;) {
    unsigned stuck = 0;
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < sessions_.size(); ++i) {
        const Session& session = *sessions_[i];
        if (session.socket && session.kind != TrafficKind::Silent && session.exchanges == before[i]) ++stuck;
      }
    }
    if (stuck == 0 || Clock::now() >= until) return stuck;
    std::this_thread::sleep_for(1ms);
  }
}

}  // namespace vipward::test
