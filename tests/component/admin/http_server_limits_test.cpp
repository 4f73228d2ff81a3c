// Clients that are slow, silent, rude or too many.
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

TEST_CASE("when no connection is idle the one too many is reset") {
  ServerThread server({.max_connections = 8});
  std::deque<Client> clients;
  for (int i = 0; i < 8; ++i) {
    Client& client = clients.emplace_back(server.address());
    client.send("GET /1 HTTP/1.1\r\n\r\nGET /half");
    REQUIRE(client.response().ends_with("GET /1\n"));
  }
  // The half request is parsed in a turn of its own.
  for (Client& client : clients) {
    client.send(" ");
    server.connection_count();
  }
  Client one_more(server.address());
  CHECK(one_more.ending() == "reset");
  clients[0].send("HTTP/1.1\r\n\r\n");
  CHECK(clients[0].response().ends_with("GET /half\n"));
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
