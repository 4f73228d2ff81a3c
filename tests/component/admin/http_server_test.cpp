// What a client of the admin server gets, over real sockets.
#include <filesystem>

#include "tests/component/admin/http_fixture.h"

using namespace vipward;
using namespace std::chrono_literals;

TEST_CASE("a connection that somebody else has accepted is served, whoever it comes from") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  Client client{Fd(ends[0])};
  const Fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  Log log({.fd = null.get()});
  Loop loop;
  HttpServer server(loop, log, {.allow = {*Cidr::parse("10.0.0.0/8")}}, answer_plainly);
  server.adopt(Fd(ends[1]));
  std::thread thread([&] { loop.run(); });
  for (int i = 0; i < 2; ++i) {
    client.send("GET /livez HTTP/1.1\r\n\r\n");
    CHECK(client.response().ends_with("\r\n\r\nGET /livez\n"));
  }
  loop.stop();
  thread.join();
}

TEST_CASE("a request that arrives one byte at a time is answered") {
  ServerThread server;
  Client client(server.address());
  for (const char byte : std::string("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    REQUIRE(client.send({&byte, 1}));
  const std::string response = client.response();
  CHECK(response.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(response.ends_with("\r\n\r\nGET /livez\n"));
  CHECK(client.ending() == "end");
}

TEST_CASE("a connection serves one request after the other") {
  ServerThread server;
  Client client(server.address());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n");
    const std::string response = client.response();
    CHECK(response.find("Connection: keep-alive\r\n") != std::string::npos);
    CHECK(response.ends_with("GET /" + std::to_string(i) + "\n"));
  }
}

TEST_CASE("an HTTP/1.0 client sees the end of the connection") {
  ServerThread server;
  Client client(server.address());
  client.send("GET /old HTTP/1.0\r\n\r\n");
  CHECK(client.response().ends_with("GET /old\n"));
  CHECK(client.ending() == "end");
}

TEST_CASE("pipelined requests are answered in their order") {
  ServerThread server;
  Client client(server.address());
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\n\r\n";
  client.send(requests);
  for (int i = 0; i < 1000; ++i) REQUIRE(client.response().ends_with("\nGET /" + std::to_string(i) + "\n"));
}

TEST_CASE("HEAD gets the head of the answer to GET") {
  ServerThread server;
  Client client(server.address());
  client.send("HEAD /livez HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
  const std::string head = client.response(true);
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(head.find("Content-Length: 12\r\n") != std::string::npos);
  CHECK(client.response().ends_with("GET /next\n"));
}

TEST_CASE("404 leaves the connection usable") {
  ServerThread server;
  Client client(server.address());
  client.send("GET /missing HTTP/1.1\r\n\r\n");
  CHECK(client.response().starts_with("HTTP/1.1 404 Not Found\r\n"));
  client.send("GET /there HTTP/1.1\r\n\r\n");
  CHECK(client.response().ends_with("GET /there\n"));
}

TEST_CASE("other methods are refused with what is allowed") {
  ServerThread server;
  Client client(server.address());
  client.send("DELETE / HTTP/1.1\r\n\r\n");
  const std::string response = client.response();
  CHECK(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
  CHECK(response.find("Allow: GET, HEAD\r\n") != std::string::npos);
  client.send("GET /still HTTP/1.1\r\n\r\n");
  CHECK(client.response().ends_with("GET /still\n"));
}

TEST_CASE("a refused request is told why, also while it is still being sent") {
  ServerThread server;
  const auto refusal = [&](const std::string& request) {
    Client client(server.address());
    client.send(request);
    const std::string response = client.response();
    CHECK(response.find("Connection: close\r\n") != std::string::npos);
    CHECK(client.ending() == "end");
    return response.substr(0, response.find("\r\n"));
  };
  CHECK(refusal("GET / HTTP/1.1\r\nX: " + std::string(200000, 'x')) ==
        "HTTP/1.1 431 Request Header Fields Too Large");
  CHECK(refusal("POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + std::string(200000, 'x')) ==
        "HTTP/1.1 413 Content Too Large");
  CHECK(refusal("\x16\x03\x01\x02 this is no HTTP") == "HTTP/1.1 400 Bad Request");
}

TEST_CASE("a client that finishes sending after its request gets the answer") {
  ServerThread server;
  Client client(server.address());
  client.send("GET /last HTTP/1.1\r\n\r\n");
  client.shut_down_sending();
  CHECK(client.response().ends_with("GET /last\n"));
  CHECK(client.ending() == "end");
}

TEST_CASE("a response larger than the socket's buffers arrives whole") {
  ServerThread server;
  Client client(server.address());
  client.send("GET /large HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\n\r\n");
  const std::string response = client.response();
  CHECK(response.size() > kLargeBytes);
  CHECK(response.find_first_not_of('x', response.find("\r\n\r\n") + 4) == std::string::npos);
  CHECK(client.response().ends_with("GET /after\n"));
}

TEST_CASE("clients outside the allow list are reset, those inside are served") {
  {
    ServerThread server({.allow = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fd00::/8")}});
    Client client(server.address());
    client.send("GET / HTTP/1.1\r\n\r\n");
    CHECK(client.ending() == "reset");
    CHECK(server.connection_count() == 0);
  }
  ServerThread server({.allow = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("127.0.0.0/8")}});
  CHECK(is_served(server.address()));
}

TEST_CASE("a unix socket is served whatever the allow list says") {
  std::string folder = "/tmp/vipward-component-admin-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/control.sock";
  {
    ServerThread server({.allow = {*Cidr::parse("10.0.0.0/8")}}, listen_unix(path, {}));
    Client client(path);
    client.send("GET /status HTTP/1.1\r\nConnection: close\r\n\r\n");
    CHECK(client.response().ends_with("GET /status\n"));
    CHECK(client.ending() == "end");
  }
  std::filesystem::remove_all(folder);
}
