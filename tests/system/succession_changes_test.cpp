// The README's table of what a change means, row by row.
#include <doctest/doctest.h>

#include "tests/support/wait.h"
#include "tests/system/served_folder.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

bool is_served(const SocketAddress& address) {
  try {
    const TrafficClients one({.target = address, .idle = 1});
    return one.tally().alive == 1;
  } catch (const std::exception&) {
    return false;
  }
}

TEST_CASE("a removed backend: its sessions go on, and end within drain.timeout; a new one gets sessions") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 40});
  const std::string line =
      "      - {name: b, address: \"" + vipward.backend(1).address().to_string() + "\"}\n";
  vipward.change(line, "");
  const std::string answer = vipward.must({"reload"});
  CHECK_MESSAGE(answer.find("api: backend b (") != std::string::npos, answer);
  CHECK(clients.tally().ended() == 0);
  const std::string status = vipward.must({"status"});
  CHECK_MESSAGE(status.find("1 of 1 backend ready, 1 drained with 20 connections") != std::string::npos,
                status);
  CHECK(wait_until([&] { return clients.tally().reset == 20; }, 20s));
  CHECK(vipward.metric("vipward_connections_closed_total", {{"reason", "backend_removed"}}) == 20);
  CHECK(clients.tally().alive == 20);
  CHECK(vipward.must({"status"}).find("drained") == std::string::npos);
}

TEST_CASE("a removed service: nobody new comes in, its sessions end within drain.timeout") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 10});
  vipward.change("name: api", "name: other");
  vipward.change(vipward.address().to_string(), vipward.another_address().to_string());
  const std::string answer = vipward.must({"reload"});
  CHECK(answer.find("api: service removed, its sessions end within 2s\n") != std::string::npos);
  CHECK(answer.find("other: service added\n") != std::string::npos);
  CHECK_FALSE(is_served(vipward.address()));
  CHECK(is_served(vipward.another_address()));
  CHECK(clients.tally().ended() == 0);
  CHECK(wait_until([&] { return clients.tally().reset == 10; }, 20s));
}

TEST_CASE("a removed address: sessions go on, nobody new is let in there") {
  ServedFolder vipward;
  vipward.change("listen: [\"", "listen: [\"" + vipward.another_address().to_string() + "\", \"");
  CHECK(vipward.must({"reload"}).find("api: listen " + vipward.another_address().to_string() + " added\n") !=
        std::string::npos);
  TrafficClients clients({.target = vipward.another_address(), .bulk = 2, .idle = 10});
  vipward.change("\"" + vipward.another_address().to_string() + "\", ", "");
  vipward.must({"reload"});
  CHECK_FALSE(is_served(vipward.another_address()));
  CHECK(is_served(vipward.address()));
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("a lower limit, another list of who may come: whoever is in stays") {
  ServedFolder vipward;
  TrafficClients clients({.target = vipward.address(), .idle = 10});
  vipward.change("access_log: false", "access_log: false\n    max_connections: 1\n    allow: [10.0.0.0/8]");
  vipward.must({"reload"});
  CHECK_FALSE(is_served(vipward.address()));
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("other admin addresses") {
  ServedFolder vipward;
  vipward.change("admin: {listen: [\"",
                 "admin: {listen: [\"" + vipward.another_address().to_string() + "\", \"");
  vipward.must({"reload"});
  CHECK(http_get({.address = vipward.another_address()}, "/livez").is_ok());
  CHECK(http_get({.address = vipward.admin()}, "/livez").is_ok());
  vipward.change("\"" + vipward.another_address().to_string() + "\", ", "");
  vipward.must({"reload"});
  CHECK_FALSE(http_get({.address = vipward.another_address()}, "/livez").is_ok());
}

TEST_CASE("one worker, four, and one again") {
  ServedFolder vipward;
  TrafficClients clients({.target = vipward.address(), .bulk = 4, .request = 20, .idle = 40, .silent = 5});
  vipward.write_config(vipward.config() + "workers: 4\n");
  CHECK(vipward.must({"reload"}).find("workers auto -> 4\n") != std::string::npos);
  CHECK(clients.count_stuck(20s) == 0);
  vipward.change("workers: 4", "workers: 1");
  vipward.must({"reload"});
  clients.speak_up();
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("a drain lives through reload, upgrade and restart") {
  ServedFolder vipward;
  CHECK(vipward.must({"drain", "b"}).starts_with("api/b is drained, its sessions are kept until they end\n"));
  const auto is_drained = [&] {
    return vipward.metric("vipward_backend_state", {{"backend", "b"}, {"state", "drained"}}) == 1;
  };
  CHECK(wait_until(is_drained, 20s));
  vipward.must({"reload"});
  CHECK(is_drained());
  vipward.exchange_binary();
  vipward.must({"upgrade"});
  CHECK(is_drained());
  vipward.stop_and_start();
  CHECK(is_drained());
  const TrafficClients clients({.target = vipward.address(), .idle = 10});
  CHECK(vipward.metric("vipward_backend_connections", {{"backend", "b"}}) == 0);
  vipward.must({"undrain", "api/b"});
  CHECK(wait_until([&] { return !is_drained(); }, 20s));
}

}  // namespace
}  // namespace vipward::test
