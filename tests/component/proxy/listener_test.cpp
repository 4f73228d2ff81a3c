// What befalls the listeners: one that dies, clients that end the moment they are accepted, a capacity below
// max_connections.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <ctime>
#include <optional>
#include <thread>

#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// A second descriptor of the proxy's listening socket: what another process may hold.
Fd dup_of_listener(const SocketAddress& address) {
  for (int fd = 0; fd < 1024; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) continue;
    if (SocketAddress::local_of(fd) == address) return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  }
  return {};
}

// Processor time of the worker's thread so far.
std::chrono::nanoseconds cpu_time(ProxyUnderTest& proxy) {
  timespec used{};
  proxy.run_inside([&] { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used); });
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

// Of the next 300 ms. A thread that spins uses all that it gets.
std::chrono::nanoseconds cpu_time_soon(ProxyUnderTest& proxy) {
  const auto before = cpu_time(proxy);
  std::this_thread::sleep_for(300ms);
  return cpu_time(proxy) - before;
}

TEST_CASE("a listener that is shut down from outside is said once, without spinning; the rest goes on") {
  Backend backend;
  const ServiceConfig service = service_with({backend.address()});
  ServiceConfig web = service;
  web.name = "web";
  ProxyUnderTest proxy({service, web}, {});
  SessionPair running = open_session(proxy, backend);
  const Fd outside = dup_of_listener(proxy.address(0));
  REQUIRE(outside);
  CHECK(proxy.dead_listeners(0) == 0);
  REQUIRE(shutdown(outside.get(), SHUT_RDWR) == 0);

  REQUIRE(proxy.wait_logged("listener lost, restart vipward"));
  CHECK(cpu_time_soon(proxy) < 60ms);
  CHECK(proxy.count_logged("listener lost") == 1);
  const std::string line = proxy.logged("listener lost").at(0);
  CAPTURE(line);
  CHECK(line.find(" error listener lost, restart vipward service=api address=" +
                  proxy.address(0).to_string() + " error=\"Invalid argument\"") != std::string::npos);
  CHECK(proxy.dead_listeners(0) == 1);
  CHECK(proxy.dead_listeners(1) == 0);
  CHECK(proxy.connect().wait_end() == End::Reset);
  CHECK(works(running));

  Peer other = Peer::connect_to(proxy.address(1));
  REQUIRE(other.send("hello"));
  Peer served = backend.accept();
  REQUIRE(served);
  CHECK(served.receive(5) == "hello");
  // Sessions that end do not wake it.
  running.client.close();
  CHECK(running.backend.wait_end() == End::Eof);
  running.backend.close();
  CHECK(wait_until([&] { return proxy.sessions() == 1; }, kPatience));
  CHECK(proxy.count_logged("listener lost") == 1);
  proxy.stop();
  CHECK(other.wait_end() == End::Reset);
}

TEST_CASE("a listener that dies while accepting pauses is said once too") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.max_connections = 10;
  ProxyUnderTest proxy(service, {.capacity = 1});
  std::optional<SessionPair> running = open_session(proxy, backend);
  REQUIRE(proxy.wait_logged("accepting pauses"));
  const Fd outside = dup_of_listener(proxy.address());
  REQUIRE(shutdown(outside.get(), SHUT_RDWR) == 0);
  CHECK(cpu_time_soon(proxy) < 60ms);
  CHECK(works(*running));
  running.reset();
  CHECK(proxy.wait_logged("listener lost"));
  CHECK(cpu_time_soon(proxy) < 60ms);
  CHECK(proxy.count_logged("listener lost") == 1);
  CHECK(proxy.dead_listeners(0) == 1);
}

TEST_CASE("clients whose session ends within accept leave no memory behind") {
  // connect(2) refuses a multicast address at once (tcp_v4_connect, ENETUNREACH), whatever the routes.
  ServiceConfig service = service_with({*SocketAddress::parse("224.0.0.1:6443")});
  service.first_data_timeout.reset();
  service.access_log = false;
  ProxyUnderTest proxy(service, {.level = LogLevel::Error});
  const auto come_and_go = [&](int count) {
    for (int i = 0; i < count; ++i) REQUIRE(proxy.connect().wait_end() == End::Reset);
  };
  come_and_go(500);
  const std::size_t before = resident_bytes();
  constexpr int kClients = 20'000;
  come_and_go(kClients);
  CHECK(proxy.wait_closed(EndReason::NoBackend, kClients + 500));
  CHECK(proxy.closed() == kClients + 500);
  CHECK(proxy.wait_empty());
  CHECK(proxy.sessions_of(0) == 0);
  CHECK(proxy.backend(0).connect_failures == kClients + 500);
  CHECK(proxy.backend(0).sessions == 0);
  if (memory_is_measurable()) {
    const std::size_t after = resident_bytes();
    const std::size_t grown = after > before ? after - before : 0;
    MESSAGE("memory after ", kClients, " clients: ", grown / 1024, " KiB more");
    CHECK(grown < 2 * 1024 * 1024);
  }
}

TEST_CASE("max_connections above the capacity: at the capacity clients wait, and are served when others go") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.max_connections = 100;
  ProxyUnderTest proxy(service, {.capacity = 3});
  std::vector<SessionPair> sessions = open_sessions(proxy, backend, 3);
  REQUIRE(proxy.wait_logged("accepting pauses, clients wait in the kernel's queue"));
  CHECK_FALSE(proxy.is_accepting());
  std::vector<Peer> waiting;
  for (int i = 0; i < 6; ++i) {
    waiting.push_back(proxy.connect());
    REQUIRE(waiting.back().send(std::to_string(i)));
  }
  CHECK(cpu_time_soon(proxy) < 60ms);
  CHECK(proxy.sessions() == 3);
  CHECK(proxy.accepted() == 3);
  CHECK_FALSE(backend.is_called());
  for (const Peer& client : waiting) CHECK(client.is_silent());
  for (SessionPair& session : sessions) CHECK(works(session));

  // One place at a time, in the order in which they came.
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    sessions.erase(sessions.begin());
    SessionPair next{.client = std::move(waiting[i]), .backend = backend.accept()};
    REQUIRE(next.backend);
    CHECK(next.backend.receive(1) == std::to_string(i));
    CHECK(works(next));
    CHECK(proxy.sessions() == 3);
    CHECK_FALSE(backend.is_called());
    sessions.push_back(std::move(next));
  }
  CHECK(proxy.count_logged("accepting pauses") == 1);
  CHECK(proxy.count_logged("accepting goes on") == 0);
  sessions.clear();
  CHECK(proxy.wait_logged("accepting goes on"));
  CHECK(proxy.is_accepting());
  CHECK(proxy.wait_empty());
  CHECK(proxy.accepted() == 9);
  CHECK(proxy.rejected(RejectReason::Limit) == 0);
  CHECK(proxy.count_logged("connection limit") == 0);
  CHECK(proxy.count_logged("accepting pauses") == 1);
}

TEST_CASE("max_connections below the capacity: beyond it clients are reset, nobody waits") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.max_connections = 2;
  ProxyUnderTest proxy(service, {.capacity = 3});
  const auto sessions = open_sessions(proxy, backend, 2);
  CHECK(proxy.connect().wait_end() == End::Reset);
  CHECK(proxy.rejected(RejectReason::Limit) == 1);
  CHECK(proxy.is_accepting());
  CHECK(proxy.count_logged("accepting pauses") == 0);
}

}  // namespace
}  // namespace vipward::test
