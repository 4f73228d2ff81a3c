// Socket options that a service's configuration asks for, read from the proxy's own sockets.
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// The descriptor in this process (the proxy's, too) with these ends.
std::optional<int> socket_between(const SocketAddress& local, const SocketAddress& remote) {
  for (int fd = 0; fd < 1024; ++fd) {
    if (SocketAddress::peer_of(fd) == remote && SocketAddress::local_of(fd) == local) return fd;
  }
  return std::nullopt;
}

template <class T = int>
T option(int fd, int level, int name) {
  T value{};
  socklen_t size = sizeof value;
  REQUIRE(getsockopt(fd, level, name, &value, &size) == 0);
  return value;
}

TEST_CASE("keepalive, tcp_user_timeout, no delay and reset on close are set on both sides of a session") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.keepalive = {.idle = 17s, .interval = 4s, .count = 6};
  SUBCASE("with a user timeout") {
    service.tcp_user_timeout = 12'345ms;
  }
  SUBCASE("without one") {
    service.tcp_user_timeout = 0ms;
  }
  ProxyUnderTest proxy(service);
  SessionPair pair = open_session(proxy, backend);
  const auto client_side = socket_between(proxy.address(), pair.client.local());
  const auto backend_side = socket_between(pair.backend.remote(), backend.address());
  for (const auto& side : {client_side, backend_side}) {
    REQUIRE(side.has_value());
    CHECK(option(*side, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(*side, IPPROTO_TCP, TCP_KEEPIDLE) <= 17);
    CHECK(option(*side, IPPROTO_TCP, TCP_KEEPIDLE) >= 13);
    CHECK(option(*side, IPPROTO_TCP, TCP_KEEPINTVL) <= 4);
    CHECK(option(*side, IPPROTO_TCP, TCP_KEEPINTVL) >= 3);
    CHECK(option(*side, IPPROTO_TCP, TCP_KEEPCNT) == 6);
    CHECK(option<unsigned>(*side, IPPROTO_TCP, TCP_USER_TIMEOUT) == service.tcp_user_timeout.count());
    CHECK(option(*side, IPPROTO_TCP, TCP_NODELAY) == 1);
    const auto on_close = option<linger>(*side, SOL_SOCKET, SO_LINGER);
    CHECK(on_close.l_onoff == 1);
    CHECK(on_close.l_linger == 0);
  }
}

TEST_CASE("sessions do not probe in one instant: their keepalives are staggered") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.keepalive = {.idle = 17s, .interval = 4s, .count = 6};
  ProxyUnderTest proxy(service);
  std::set<std::pair<int, int>> pace;
  std::vector<SessionPair> pairs;
  for (int i = 0; i < 10; ++i) {
    pairs.push_back(open_session(proxy, backend));
    const auto side = socket_between(pairs.back().backend.remote(), backend.address());
    REQUIRE(side.has_value());
    pace.emplace(option(*side, IPPROTO_TCP, TCP_KEEPIDLE), option(*side, IPPROTO_TCP, TCP_KEEPINTVL));
  }
  CHECK(pace.size() == 10);
}

}  // namespace
}  // namespace vipward::test
