#include "tests/system/unread_clients.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <system_error>

namespace vipward::test {
namespace {

// The client's own queue stays small, so that all others are full soon.
constexpr int kReceiveBuffer = 32 * 1024;
// tcp(7): the proxy's socket towards the client holds 4 MiB at most, and no more comes than that and what the
// proxy holds itself.
constexpr std::size_t kMoreThanUnderWay = std::size_t{6} * 1024 * 1024;
constexpr std::chrono::seconds kServed{30};

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// As TrafficBackend reads it, of a bulk session.
struct Greeting {
  char kind = 'B';
  std::array<char, 3> padding{};
  std::uint32_t session = 0;
};

bool wait_readable(const Fd& socket, std::chrono::milliseconds limit) {
  pollfd watched{socket.get(), POLLIN, 0};
  return poll(&watched, 1, static_cast<int>(limit.count())) == 1;
}

Fd connect_to(const SocketAddress& target, std::uint32_t number) {
  Fd socket(::socket(target.ip().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  sockaddr_storage storage{};
  const socklen_t size = target.to_sockaddr(storage);
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) fail("connect");
  const Greeting greeting{.session = number};
  if (send(socket.get(), &greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting) fail("greeting");
  return socket;
}

}  // namespace

UnreadClients::UnreadClients(const SocketAddress& target, unsigned count) {
  for (std::uint32_t i = 0; i < count; ++i)
    sessions_.push_back({.socket = connect_to(target, i), .in = TrafficStream(i, false)});
  for (const Session& session : sessions_) {
    if (!wait_readable(session.socket, kServed)) fail("a client is not served");
  }
}

UnreadClients::Tally UnreadClients::take(std::chrono::milliseconds limit) {
  Tally tally;
  for (Session& session : sessions_) ++(tally.*take_from(session, limit));
  return tally;
}

unsigned UnreadClients::Tally::*UnreadClients::take_from(Session& session, std::chrono::milliseconds limit) {
  std::array<char, 64 * 1024> buffer;
  const std::uint64_t enough = session.in.bytes() + kMoreThanUnderWay;
  while (session.in.bytes() < enough) {
    if (!session.socket) return &Tally::reset;
    if (!wait_readable(session.socket, limit)) return &Tally::stuck;
    const ssize_t got = recv(session.socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0) return &Tally::closed;
    if (got < 0) session.socket.reset();  // it is told once
    if (got < 0) return &Tally::reset;
    if (!session.in.accept(std::span(buffer.data(), static_cast<std::size_t>(got)))) return &Tally::corrupt;
  }
  return &Tally::alive;
}

}  // namespace vipward::test
