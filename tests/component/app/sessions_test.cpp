// What `vipward sessions` asks for: every worker's sessions, gathered on the control loop, for the control
// socket alone.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "lb/cli/control_client.h"
#include "lb/cli/sessions_text.h"
#include "lb/net/socket.h"
#include "tests/component/app/app_under_test.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr const char* kPath = "/api/v1/sessions";

// Checks seldom: a backend that accepts nobody keeps each of them in its queue.
AppConfig config_with(std::vector<SocketAddress> backends, unsigned workers) {
  return {.backends = std::move(backends),
          .workers = workers,
          .health_check = "{protocol: tcp, interval: 60s, rise: 1, fall: 1}"};
}

Fd connect_to(const SocketAddress& server) {
  Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  const socklen_t length = server.to_sockaddr(storage);
  REQUIRE(client);
  REQUIRE(connect(client.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0);
  return client;
}

Fd speak_to(const SocketAddress& server, std::string_view first_bytes) {
  Fd client = connect_to(server);
  REQUIRE(send(client.get(), first_bytes.data(), first_bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(first_bytes.size()));
  return client;
}

std::string name_of(const Fd& client) {
  return SocketAddress::local_of(client.get()).to_string();
}

Json sessions_of(const AppUnderTest& app) {
  const ControlReply reply = ask_daemon(app.control_path(), kPath);
  CHECK(reply.error == "");
  CHECK(reply.down == "");
  return Json::parse(reply.body).at("sessions");
}

std::size_t relaying(const Json& sessions) {
  std::size_t count = 0;
  for (const Json& session : sessions) count += session.at("phase") == "relaying" ? 1 : 0;
  return count;
}

TEST_CASE("a session says who, where to, how far and how much") {
  FakeServer backend({}, [](FakeConnection& connection) {
    connection.read_some();
    connection.write("four");
    connection.hold();
  });
  AppUnderTest app(config_with({backend.address()}, 1));
  const Fd silent = connect_to(app.address());
  const Fd speaker = speak_to(app.address(), "sevenup");
  Json sessions;
  REQUIRE(wait_until(
      [&] {
        sessions = sessions_of(app);
        return sessions.size() == 2 && relaying(sessions) == 1 &&
               sessions.dump().find("\"bytes_to_client\":4") != std::string::npos;
      },
      kPatience));
  for (const Json& session : sessions) {
    CHECK(session.at("service") == "api");
    CHECK(session.at("age_seconds").get<double>() >= session.at("idle_seconds").get<double>());
    if (session.at("phase") == "relaying") {
      CHECK(session.at("client") == name_of(speaker));
      CHECK(session.at("backend") == "backend-0");
      CHECK(session.at("own").get<std::string>().starts_with("127.0.0.1:"));
      CHECK(session.at("bytes_to_backend") == 7);
    } else {
      CHECK(session.at("phase") == "first_data");
      CHECK(session.at("client") == name_of(silent));
      CHECK(session.at("backend").is_null());
      CHECK(session.at("own").is_null());
      CHECK(session.at("bytes_to_backend") == 0);
    }
  }
}

TEST_CASE("the admin address, which anybody may read, does not know the sessions") {
  FakeServer backend({}, [](FakeConnection& connection) { connection.hold(); });
  AppUnderTest app(config_with({backend.address()}, 1));
  const HttpResponse refused = http_get({.address = app.admin_address()}, kPath);
  CHECK(refused.status == 404);
  CHECK(refused.body.find("sessions") == std::string::npos);
  CHECK(ask_daemon(app.control_path(), "/").body.find(kPath) != std::string::npos);
  CHECK(sessions_of(app).empty());
}

TEST_CASE("5,000 sessions of two workers are listed in time, each once") {
  constexpr std::size_t kCount = 5000;
  // Their kernels answer for them; a thread for each connection would be no test of this.
  FakeServer one({.backlog = 4096, .accepts = false}, {});
  FakeServer other({.backlog = 4096, .accepts = false}, {});
  AppUnderTest app(config_with({one.address(), other.address()}, 2));
  REQUIRE(app.wait_backends(true));
  std::vector<Fd> clients;
  std::set<std::string> expected;
  for (std::size_t i = 0; i < kCount; ++i) {
    clients.push_back(speak_to(app.address(), "x"));
    expected.insert(name_of(clients.back()));
  }
  REQUIRE(expected.size() == kCount);
  REQUIRE(wait_until([&] { return relaying(sessions_of(app)) == kCount; }, kPatience));

  const auto start = std::chrono::steady_clock::now();
  const ControlReply reply = ask_daemon(app.control_path(), kPath);
  const auto asked = std::chrono::steady_clock::now() - start;
  const auto text = render_sessions_text(reply.body);
  const auto rendered = std::chrono::steady_clock::now() - start;
  // The server's own limit for an answer, and as much again for the text.
  CHECK(asked < 2s);
  CHECK(rendered < 4s);
  REQUIRE(text.has_value());
  CHECK(text->starts_with("5000 sessions\n"));
  CHECK(reply.body.size() < 2 << 20);
  MESSAGE(std::chrono::duration_cast<std::chrono::milliseconds>(asked).count(), " ms, ", reply.body.size(),
          " bytes");

  std::set<std::string> seen;
  std::map<std::string, std::size_t> by_backend;
  const Json listed = Json::parse(reply.body).at("sessions");
  for (const Json& session : listed) {
    seen.insert(session.at("client").get<std::string>());
    ++by_backend[session.at("backend").get<std::string>()];
  }
  CHECK(listed.size() == kCount);
  CHECK(seen == expected);
  CHECK(by_backend.size() == 2);
}

}  // namespace
}  // namespace vipward::test
