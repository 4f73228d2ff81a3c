// Clients that are slow, silent, rude or too many.
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <deque>

#include "tests/component/admin/http_fixture.h"

using namespace vipward;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

TEST_CASE("a head that does not become whole in time is answered 408") {
  ServerThread server({.timeouts = {.head = 100ms}});
  Client client(server.address());
  client.send("GET /slow HTTP/1.1\r\n");
  CHECK(client.response().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  CHECK(client.ending() == "end");
}

TEST_CASE("bytes that trickle in do not extend the time of a head") {
  ServerThread server({.timeouts = {.head = 200ms, .linger = 100ms}});
  Client client(server.address());
  const auto start = SteadyClock::now();
  client.send("GET /slow HTTP/1.1\r\nX: ");
  while (SteadyClock::now() - start < 10s && client.send("x")) std::this_thread::sleep_for(5ms);
  CHECK(SteadyClock::now() - start < 5s);
}

TEST_CASE("a client that says nothing is closed, before its first request and after one") {
  ServerThread server({.timeouts = {.head = 100ms, .idle = 100ms}});
  Client silent(server.address());
  CHECK(silent.ending() == "end");
  Client idle(server.address());
  idle.send("GET /once HTTP/1.1\r\n\r\n");
  CHECK(idle.response().ends_with("GET /once\n"));
  CHECK(idle.ending() == "end");
}

TEST_CASE("the time between two requests is not that of a head") {
  ServerThread server({.timeouts = {.head = 100ms}});
  Client client(server.address());
  client.send("GET /1 HTTP/1.1\r\n\r\n");
  CHECK(client.response().ends_with("GET /1\n"));
  std::this_thread::sleep_for(300ms);
  client.send("GET /2 HTTP/1.1\r\n\r\n");
  CHECK(client.response().ends_with("GET /2\n"));
  client.send("GET /3 ");
  CHECK(client.response().starts_with("HTTP/1.1 408 "));
}

TEST_CASE("a client that never reads its response is reset and holds up nobody") {
  ServerThread server({.timeouts = {.write = 300ms}});
  Client client(server.address());
  client.send("GET /large HTTP/1.1\r\n\r\n");
  REQUIRE(server.wait_for_connections(1));
  CHECK(is_served(server.address()));
  REQUIRE(server.wait_for_connections(0));
  CHECK(client.response() == "");
}

TEST_CASE("a client that does not close after the last response is closed") {
  ServerThread server({.timeouts = {.linger = 100ms}});
  Client client(server.address());
  client.send("GET /last HTTP/1.0\r\n\r\n");
  CHECK(client.response().ends_with("GET /last\n"));
  CHECK(server.wait_for_connections(0));
}

TEST_CASE("clients that reset in the middle are harmless") {
  ServerThread server;
  for (int i = 0; i < 20; ++i) {
    Client half_a_request(server.address());
    half_a_request.send("GET /half");
    Client before_the_answer(server.address());
    before_the_answer.send("GET /large HTTP/1.1\r\n\r\n");
    Client at_once(server.address());
    at_once.reset();
    half_a_request.reset();
    before_the_answer.reset();
  }
  CHECK(server.wait_for_connections(0));
  CHECK(is_served(server.address()));
}

TEST_CASE("for one connection too many the one that is idle longest is closed") {
  ServerThread server({.max_connections = 64});
  std::deque<Client> clients;
  for (int i = 0; i < 64; ++i) {
    Client& client = clients.emplace_back(server.address());
    client.send("GET / HTTP/1.1\r\n\r\n");
    REQUIRE(client.response() != "");
  }
  // The first one has been idle longest; now it is the second.
  clients[0].send("GET /again HTTP/1.1\r\n\r\n");
  CHECK(clients[0].response().ends_with("GET /again\n"));

  Client one_more(server.address());
  one_more.send("GET /more HTTP/1.1\r\n\r\n");
  CHECK(one_more.response().ends_with("GET /more\n"));
  CHECK(clients[1].ending() == "end");
  CHECK(server.connection_count() == 64);
  clients[0].send("GET /0 HTTP/1.1\r\n\r\n");
  CHECK(clients[0].response().ends_with("GET /0\n"));
  clients[2].send("GET /2 HTTP/1.1\r\n\r\n");
  CHECK(clients[2].response().ends_with("GET /2\n"));
}

// Waits until the server has read what `client` has sent: it reads everything that is there in one turn.
void wait_until_read(ServerThread& server, const Client& client) {
  const auto unread = [&] {
    int bytes = 0;
    REQUIRE(ioctl(client.fd(), SIOCOUTQ, &bytes) == 0);
    return bytes;
  };
  const auto deadline = SteadyClock::now() + 10s;
  while (unread() > 0 && SteadyClock::now() < deadline) std::this_thread::yield();
  // Acknowledged is in the server's buffer at least; the turn after this one has read it.
  server.connection_count();
  server.connection_count();
}

TEST_CASE("when none is idle the connection that has been reading longest is closed") {
  ServerThread server({.max_connections = 4});
  std::deque<Client> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back(server.address());
    REQUIRE(server.wait_for_connections(static_cast<std::size_t>(i) + 1));
  }
  // The first one is connected longest, but has been reading for the shortest time.
  for (const std::size_t i : {1U, 2U, 3U, 0U}) {
    clients[i].send("GET /half");
    wait_until_read(server, clients[i]);
  }
  Client one_more(server.address());
  one_more.send("GET /more HTTP/1.1\r\n\r\n");
  CHECK(one_more.response().ends_with("GET /more\n"));
  CHECK(clients[1].ending() == "end");
  clients[0].send(" HTTP/1.1\r\n\r\n");
  CHECK(clients[0].response().ends_with("GET /half\n"));
}

TEST_CASE("clients with half a request deny nobody an answer") {
  ServerThread server;
  std::deque<Client> clients;
  for (int i = 0; i < 140; ++i) clients.emplace_back(server.address()).send("GET /readyz HTTP/1.1\r\nX: ");
  CHECK(is_served(server.address()));
  CHECK(server.connection_count() <= 64);
}

TEST_CASE("when every connection is taking a response the one too many is reset") {
  ServerThread server({.max_connections = 4});
  std::deque<Client> clients;
  for (int i = 0; i < 4; ++i) {
    Client& client = clients.emplace_back(server.address());
    client.send("GET /large HTTP/1.1\r\n\r\n");
    char first = 0;
    REQUIRE(::recv(client.fd(), &first, 1, MSG_PEEK) == 1);
  }
  Client one_more(server.address());
  CHECK(one_more.ending() == "reset");
  CHECK(clients[0].response().size() > kLargeBytes);
}

TEST_CASE("without descriptors accepting pauses, does not spin, and goes on by itself") {
  ServerThread server;
  Client waiting(server.address());
  REQUIRE(server.wait_for_connections(1));

  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  // The kernel gives the lowest free number: with those below taken, nothing beyond can be opened.
  Fd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit exhausted = before;
  exhausted.rlim_cur = static_cast<rlim_t>(late.get()) + 1;
  const auto cpu = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  REQUIRE(setrlimit(RLIMIT_NOFILE, &exhausted) == 0);
  const auto cpu_before = cpu();
  sockaddr_storage storage{};
  const socklen_t length = server.address().to_sockaddr(storage);
  REQUIRE(::connect(late.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0);
  std::this_thread::sleep_for(500ms);
  const auto cpu_used = cpu() - cpu_before;
  const std::size_t accepted = server.connection_count();
  waiting.send("GET /meanwhile HTTP/1.1\r\n\r\n");
  const std::string meanwhile = waiting.response();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);

  CHECK(accepted == 1);
  CHECK(cpu_used < 100ms);
  CHECK(meanwhile.ends_with("GET /meanwhile\n"));
  CHECK(server.wait_for_connections(2));
  CHECK(is_served(server.address()));
}

TEST_CASE("a server goes with connections in every state open") {
  ServerThread server;
  Client silent(server.address());
  Client half(server.address());
  half.send("GET /half");
  Client idle(server.address());
  idle.send("GET /1 HTTP/1.1\r\n\r\n");
  CHECK(idle.response() != "");
  Client not_reading(server.address());
  not_reading.send("GET /large HTTP/1.1\r\n\r\n");
  Client lingering(server.address());
  lingering.send("GET /last HTTP/1.0\r\n\r\n");
  CHECK(lingering.response() != "");
  REQUIRE(server.wait_for_connections(5));
  server.stop();
  CHECK(silent.ending() == "end");
  CHECK(idle.ending() == "end");
  CHECK(not_reading.response() == "");
}
