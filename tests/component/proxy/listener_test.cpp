// What befalls the listeners: one that dies or is only reset, clients that end the moment they are accepted,
// a capacity below max_connections.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <ctime>
#include <deque>
#include <optional>
#include <thread>

#include "lb/net/socket.h"
#include "tests/component/proxy/session_pair.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Second descriptors of the proxy's listening sockets: what the guardian holds.
std::vector<Fd> dups_of_listeners(const SocketAddress& address) {
  std::vector<Fd> dups;
  constexpr int kFirstDup = 800;
  for (int fd = 0; fd < kFirstDup; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) continue;
    if (SocketAddress::local_of(fd) != address) continue;
    dups.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, kFirstDup));
  }
  return dups;
}

Fd dup_of_listener(const SocketAddress& address) {
  std::vector<Fd> dups = dups_of_listeners(address);
  return dups.empty() ? Fd() : std::move(dups.front());
}

// As a release does it: the queues are reset, the sockets listen again.
void reset_queues(const std::vector<Fd>& listeners) {
  for (const Fd& listener : listeners) REQUIRE(shutdown(listener.get(), SHUT_RDWR) == 0);
  for (const Fd& listener : listeners) REQUIRE(listen(listener.get(), 4096) == 0);
}

bool is_served(const ProxyUnderTest& proxy, Backend& backend) {
  Peer client = proxy.connect();
  if (!client.send("hello")) return false;
  Peer served = backend.accept();
  return served && served.receive(5) == "hello";
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
  CHECK(proxy.lost_listeners(0) == 0);
  REQUIRE(shutdown(outside.get(), SHUT_RDWR) == 0);

  REQUIRE(proxy.wait_logged("listener lost, restart vipward"));
  CHECK(cpu_time_soon(proxy) < 60ms);
  CHECK(proxy.count_logged("listener lost") == 1);
  const std::string line = proxy.logged("listener lost").at(0);
  CAPTURE(line);
  CHECK(line.find(" error listener lost, restart vipward service=api address=" +
                  proxy.address(0).to_string() + " error=\"Invalid argument\"") != std::string::npos);
  CHECK(proxy.lost_listeners(0) == 1);
  CHECK(proxy.lost_listeners(1) == 0);
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
  CHECK(proxy.lost_listeners(0) == 1);
}

TEST_CASE("a listener that listens again later is found, and no longer counts as lost") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  const Fd outside = dup_of_listener(proxy.address());
  REQUIRE(shutdown(outside.get(), SHUT_RDWR) == 0);
  REQUIRE(proxy.wait_logged("listener lost"));
  CHECK(proxy.lost_listeners(0) == 1);
  REQUIRE(listen(outside.get(), 4096) == 0);
  REQUIRE(proxy.wait_logged("listener is back"));
  CHECK(proxy.logged("listener is back")[0].find(" info  listener is back service=api address=" +
                                                 proxy.address().to_string()) != std::string::npos);
  CHECK(proxy.lost_listeners(0) == 0);
  CHECK(is_served(proxy, backend));
  REQUIRE(shutdown(outside.get(), SHUT_RDWR) == 0);
  CHECK(proxy.wait_logged("listener lost", 2));
}

// SO_REUSEPORT shares out clients by a hash: with so many, each socket gets its own.
TEST_CASE("listeners that are shut down and listen again at once reset their queue and serve on, unnoticed") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}), {.listeners_per_worker = 8});
  const std::vector<Fd> outside = dups_of_listeners(proxy.address());
  REQUIRE(outside.size() == 8);
  SessionPair running = open_session(proxy, backend);
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    std::vector<Peer> queued;
    proxy.run_inside([&] {
      for (int i = 0; i < 16; ++i) queued.push_back(proxy.connect());
      reset_queues(outside);
    });
    for (Peer& client : queued) CHECK(client.wait_end() == End::Reset);
    for (int i = 0; i < 40; ++i) REQUIRE(is_served(proxy, backend));
  }
  // Now and then the worker sees it before it listens again.
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    for (const Fd& listener : outside) REQUIRE(shutdown(listener.get(), SHUT_RDWR) == 0);
    for (int turn = 0; turn < 3; ++turn) proxy.run_inside([] {});
    for (const Fd& listener : outside) REQUIRE(listen(listener.get(), 4096) == 0);
    for (int i = 0; i < 40; ++i) REQUIRE(is_served(proxy, backend));
  }
  CHECK(works(running));
  CHECK(proxy.count_logged("listener") == 0);
  CHECK(proxy.lost_listeners(0) == 0);
}

TEST_CASE("stopping leaves those in the queue to who else holds the listener") {
  Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  const Fd outside = dup_of_listener(proxy.address());
  SessionPair running = open_session(proxy, backend);
  Peer waiting;
  proxy.run_inside([&] {
    // The worker is here and accepts nobody.
    proxy.stop_soon();
    waiting = proxy.connect();
    waiting.send("hello");
  });
  CHECK(running.client.wait_end() == End::Reset);
  CHECK(waiting.is_silent());
  SocketAddress from;
  Peer next(accept_from(outside.get(), from));
  REQUIRE(next);
  CHECK(next.receive(5) == "hello");
}

TEST_CASE("a shortage is said once, and its end once, however many listeners a worker has") {
  Backend backend;
  ServiceConfig service = service_with({backend.address()});
  service.max_connections = 100;
  ProxyUnderTest proxy(service, {.capacity = 3, .listeners_per_worker = 8});
  std::vector<SessionPair> first = open_sessions(proxy, backend, 3);
  REQUIRE(proxy.wait_logged("accepting pauses, clients wait in the kernel's queue"));
  std::vector<Peer> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(proxy.connect());
    REQUIRE(waiting.back().send("x"));
  }
  std::deque<Peer> served;
  for (SessionPair& session : first) served.push_back(std::move(session.backend));
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    served.front().reset();
    served.pop_front();
    served.push_back(backend.accept());
    REQUIRE(served.back());
    CHECK(served.back().receive(1) == "x");
    CHECK(proxy.count_logged("accepting goes on") == 0);
  }
  for (Peer& peer : served) peer.reset();
  CHECK(proxy.wait_logged("accepting goes on"));
  CHECK(proxy.is_accepting());
  CHECK(proxy.wait_empty());
  CHECK(proxy.count_logged("accepting pauses") == 1);
  CHECK(proxy.count_logged("accepting goes on") == 1);
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
