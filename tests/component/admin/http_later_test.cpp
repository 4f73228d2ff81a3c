// Handlers that answer later: in time, too late, or when nobody is there any more.
#include <vector>

#include "tests/component/admin/http_fixture.h"

using namespace vipward;
using namespace std::chrono_literals;

namespace {

// Keeps what asks for /later waiting until the test answers; everything else is answered plainly.
class PatientServer {
 public:
  explicit PatientServer(HttpServer::Options options = {})
      : server_(std::move(options), [this](const HttpRequest& request) { return handle(request); }) {}
  // No reply may come after what it would be answered on.
  ~PatientServer() { server_.stop(); }
  PatientServer(const PatientServer&) = delete;
  PatientServer& operator=(const PatientServer&) = delete;

  const SocketAddress& address() const { return server_.address(); }
  ServerThread& thread() { return server_; }
  // Until so many have asked for it, ever.
  bool wait_for_askers(std::size_t expected) {
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    std::size_t asked = 0;
    while (asked != expected) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      server_.run_on_loop([&] { asked = replies_.size(); });
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  void answer(std::size_t asker, const std::string& body) {
    server_.run_on_loop([&] { replies_[asker]({.body = body}); });
  }

 private:
  HttpResponse handle(const HttpRequest& request) {
    if (request.path == "/at-once")
      return {.later = [](const HttpReply& reply) { reply({.body = "at once\n"}); }};
    if (request.path != "/later") return answer_plainly(request);
    return {.later = [this](HttpReply reply) { replies_.push_back(std::move(reply)); }};
  }

  std::vector<HttpReply> replies_;  // on the loop's thread
  ServerThread server_;
};

HttpServer::Options answering_within(Duration limit) {
  HttpServer::Options options;
  options.timeouts.answer = limit;
  return options;
}

}  // namespace

TEST_CASE("an answer that comes later arrives, and the connection goes on with what was sent meanwhile") {
  PatientServer server;
  Client client(server.address());
  client.send("GET /later HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\n\r\n");
  REQUIRE(server.wait_for_askers(1));
  // Others do not wait for it.
  CHECK(is_served(server.address()));
  server.answer(0, "here it is\n");
  CHECK(client.response().ends_with("\r\n\r\nhere it is\n"));
  CHECK(client.response().ends_with("\r\n\r\nGET /next\n"));
}

TEST_CASE("an answer that comes within the question is one like any other") {
  PatientServer server;
  Client client(server.address());
  for (int i = 0; i < 2; ++i) {
    client.send("GET /at-once HTTP/1.1\r\n\r\n");
    CHECK(client.response().ends_with("\r\n\r\nat once\n"));
  }
  client.send("GET /at-once HTTP/1.0\r\n\r\n");
  CHECK(client.response().ends_with("\r\n\r\nat once\n"));
  CHECK(client.ending() == "end");
}

TEST_CASE("HEAD of what is answered later gets the head alone") {
  PatientServer server;
  Client client(server.address());
  client.send("HEAD /later HTTP/1.1\r\n\r\n");
  REQUIRE(server.wait_for_askers(1));
  server.answer(0, "here it is\n");
  CHECK(client.response(true).find("Content-Length: 11\r\n") != std::string::npos);
  client.send("GET /next HTTP/1.1\r\n\r\n");
  CHECK(client.response().ends_with("\r\n\r\nGET /next\n"));
}

TEST_CASE("a client that has finished sending gets its late answer and the end") {
  PatientServer server;
  Client client(server.address());
  client.send("GET /later HTTP/1.1\r\n\r\n");
  client.shut_down_sending();
  REQUIRE(server.wait_for_askers(1));
  server.answer(0, "here it is\n");
  CHECK(client.response().ends_with("\r\n\r\nhere it is\n"));
  CHECK(client.ending() == "end");
}

TEST_CASE("an answer to a client that has gone harms nobody, and its connection goes") {
  PatientServer server;
  {
    Client client(server.address());
    client.send("GET /later HTTP/1.1\r\n\r\n");
    REQUIRE(server.wait_for_askers(1));
    client.reset();
  }
  server.answer(0, "for nobody\n");
  CHECK(server.thread().wait_for_connections(0));
  CHECK(is_served(server.address()));
}

TEST_CASE("an answer after the connection has been destroyed does nothing") {
  PatientServer server(answering_within(20ms));
  {
    Client client(server.address());
    client.send("GET /later HTTP/1.1\r\n\r\n");
    REQUIRE(server.wait_for_askers(1));
    client.reset();
  }
  REQUIRE(server.thread().wait_for_connections(0));
  server.answer(0, "too late\n");
  CHECK(is_served(server.address()));
}

TEST_CASE("without an answer in time the client is told 503, once, and the end") {
  PatientServer server(answering_within(50ms));
  Client client(server.address());
  client.send("GET /later HTTP/1.1\r\n\r\n");
  const std::string response = client.response();
  CHECK(response.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(response.find("Connection: close\r\n") != std::string::npos);
  CHECK(response.ends_with("\r\n\r\nthe answer took too long\n"));
  server.answer(0, "too late\n");
  CHECK(client.ending() == "end");
}

TEST_CASE("a second answer to the same question is not sent") {
  PatientServer server;
  Client client(server.address());
  client.send("GET /later HTTP/1.1\r\n\r\n");
  REQUIRE(server.wait_for_askers(1));
  server.answer(0, "once\n");
  CHECK(client.response().ends_with("\r\n\r\nonce\n"));
  client.send("GET /later HTTP/1.1\r\n\r\n");
  REQUIRE(server.wait_for_askers(2));
  server.answer(0, "twice\n");
  server.answer(1, "another\n");
  CHECK(client.response().ends_with("\r\n\r\nanother\n"));
}

TEST_CASE("who waits for an answer is not closed for somebody new") {
  HttpServer::Options options;
  options.max_connections = 1;
  PatientServer server(std::move(options));
  Client client(server.address());
  client.send("GET /later HTTP/1.1\r\n\r\n");
  REQUIRE(server.wait_for_askers(1));
  Client newcomer(server.address());
  newcomer.send("GET / HTTP/1.1\r\n\r\n");
  CHECK(newcomer.ending() == "reset");
  server.answer(0, "here it is\n");
  CHECK(client.response().ends_with("\r\n\r\nhere it is\n"));
}
