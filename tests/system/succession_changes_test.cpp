// The README's table of what a change means, row by row.
#include <doctest/doctest.h>
#include <signal.h>

#include "lb/net/socket.h"
#include "tests/support/http_client.h"
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

// How many of so many new clients are reset before they have said a word.
unsigned refused(const SocketAddress& address, unsigned count) {
  unsigned resets = 0;
  for (unsigned i = 0; i < count; ++i) {
    HttpClient client({.address = address});
    ClientError end = client.connect();
    if (end == ClientError::None) end = client.wait_for_end(20s);
    if (end == ClientError::Reset) ++resets;
  }
  return resets;
}

double sessions_of(const ServedFolder& vipward, std::string_view backend) {
  return vipward.metric("vipward_backend_connections", {{"backend", backend}});
}

bool wait_for_state(const ServedFolder& vipward, std::string_view backend, std::string_view state) {
  return wait_until(
      [&] {
        return vipward.metric("vipward_backend_state", {{"backend", backend}, {"state", state}}) == 1;
      },
      20s);
}

// A reload whose answer has that line.
void reload(const ServedFolder& vipward, const std::string& line) {
  const std::string answer = vipward.must({"reload"});
  CHECK_MESSAGE(answer.find(line + "\n") != std::string::npos, answer);
}

TEST_CASE("a removed backend: its sessions go on, and end within drain.timeout; a new one gets sessions") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 40});
  const std::string with_b = vipward.config();
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

  vipward.write_config(with_b);
  reload(vipward, "api: backend b (" + vipward.backend(1).address().to_string() + ") added");
  REQUIRE(wait_for_state(vipward, "b", "ready"));
  const TrafficClients newcomers({.target = vipward.address(), .idle = 10});
  CHECK(sessions_of(vipward, "b") == 10);  // the other one has more
  CHECK(clients.tally().alive == 20);
}

TEST_CASE("a backend at another address: sessions of the old one drain, new ones go to the new one") {
  ServedFolder vipward;
  const TrafficBackend moved(*SocketAddress::parse("127.0.0.1:0"));
  const TrafficClients clients({.target = vipward.address(), .idle = 20});
  const std::string old_address = vipward.backend(1).address().to_string();
  vipward.change(old_address, moved.address().to_string());
  const std::string answer = vipward.must({"reload"});
  CHECK_MESSAGE(answer.find("api: backend b (" + old_address + ") removed, its sessions end within 2s\n") !=
                    std::string::npos,
                answer);
  CHECK_MESSAGE(
      answer.find("api: backend b (" + moved.address().to_string() + ") added\n") != std::string::npos,
      answer);
  CHECK(clients.tally().ended() == 0);
  REQUIRE(wait_for_state(vipward, "b", "ready"));
  const TrafficClients newcomers({.target = vipward.address(), .idle = 10});
  CHECK(sessions_of(vipward, "b") == 10);
  CHECK(moved.connections() >= 10);
  CHECK(wait_until([&] { return clients.tally().reset == 10; }, 20s));
  CHECK(vipward.metric("vipward_connections_closed_total", {{"reason", "backend_removed"}}) == 10);
  CHECK(clients.tally().alive == 10);
  CHECK(newcomers.tally().alive == 10);
}

TEST_CASE("balance and weight: for new sessions") {
  ServedFolder vipward;
  // Two that choose in one instant may choose the same backend: with one worker the numbers are exact.
  vipward.write_config(vipward.config() + "workers: 1\n");
  vipward.must({"reload"});
  // Least connections would send whoever comes to the other one.
  vipward.must({"drain", "b"});
  REQUIRE(wait_for_state(vipward, "b", "drained"));
  const TrafficClients first({.target = vipward.address(), .idle = 20});
  CHECK(sessions_of(vipward, "a") == 20);
  vipward.must({"undrain", "b"});
  REQUIRE(wait_for_state(vipward, "b", "ready"));

  vipward.change("access_log: false", "access_log: false\n    balance: round_robin");
  reload(vipward, "api: balance least_connections -> round_robin");
  const TrafficClients in_turns({.target = vipward.address(), .idle = 20});
  CHECK(sessions_of(vipward, "a") == 30);
  CHECK(sessions_of(vipward, "b") == 10);

  vipward.change("{name: a, ", "{name: a, weight: 3, ");
  reload(vipward, "api: backend a: weight 1 -> 3");
  const TrafficClients weighted({.target = vipward.address(), .idle = 40});
  CHECK(sessions_of(vipward, "a") == 60);
  CHECK(sessions_of(vipward, "b") == 20);

  vipward.change("balance: round_robin", "balance: least_connections");
  vipward.change("weight: 3, ", "");
  reload(vipward, "api: balance round_robin -> least_connections");
  const TrafficClients by_connections({.target = vipward.address(), .idle = 40});
  CHECK(sessions_of(vipward, "a") == 60);
  CHECK(sessions_of(vipward, "b") == 60);
  CHECK(first.tally().ended() + in_turns.tally().ended() + weighted.tally().ended() == 0);
}

TEST_CASE("timeouts: for new sessions") {
  ServedFolder vipward;
  TrafficClients clients({.target = vipward.address(), .idle = 10});
  CHECK(vipward.metric("vipward_connections_closed_total", {{"reason", "first_data_timeout"}}) == 0);
  vipward.change("first_data_timeout: 60s", "first_data_timeout: 200ms");
  reload(vipward, "api: first_data_timeout 1m -> 200ms");
  CHECK(refused(vipward.address(), 3) == 3);
  CHECK(vipward.metric("vipward_connections_closed_total", {{"reason", "first_data_timeout"}}) == 3);
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("health_check: for the next checks, and what the last ones found out goes along") {
  ServedFolder vipward;
  TrafficClients clients({.target = vipward.address(), .idle = 10});
  const auto is_ready = [&](std::string_view backend) {
    return vipward.metric("vipward_backend_state", {{"backend", backend}, {"state", "ready"}}) == 1;
  };
  vipward.change("interval: 100ms", "interval: 1h");
  reload(vipward, "api: health_check.interval 100ms -> 1h");
  CHECK(is_ready("a"));
  CHECK(is_ready("b"));
  const auto checks = [&] { return vipward.metric("vipward_health_checks_total", {{"backend", "a"}}); };
  const double before = checks();
  vipward.change("interval: 1h", "interval: 50ms");
  reload(vipward, "api: health_check.interval 1h -> 50ms");
  CHECK(wait_until([&] { return checks() >= before + 10; }, 20s));

  // They say back what they hear, which is no answer of HTTP.
  vipward.change("protocol: tcp", "protocol: http");
  reload(vipward, "api: health_check.protocol tcp -> http");
  CHECK(wait_until([&] { return !is_ready("a") && !is_ready("b"); }, 20s));
  CHECK(clients.count_stuck(20s) == 0);
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("a removed service: nobody new comes in, its sessions end within drain.timeout") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 80});
  vipward.change("name: api", "name: other");
  vipward.change(vipward.address().to_string(), vipward.another_address().to_string());
  const std::string answer = vipward.must({"reload"});
  CHECK(answer.find("api: service removed, its sessions end within 2s\n") != std::string::npos);
  CHECK(answer.find("other: service added\n") != std::string::npos);
  CHECK_FALSE(is_served(vipward.address()));
  CHECK(is_served(vipward.another_address()));
  CHECK(clients.tally().ended() == 0);
  // It is shown as long as it has sessions.
  const auto is_counted = [&] {
    const HttpResponse response = http_get({.address = vipward.admin()}, "/metrics");
    return response.is_ok() && MetricsText(response.body)
                                       .value("vipward_connections_closed_total",
                                              {{"service", "api"}, {"reason", "backend_removed"}})
                                       .value_or(0) > 0;
  };
  CHECK(wait_until(is_counted, 20s));
  CHECK(wait_until([&] { return clients.tally().reset == 80; }, 20s));
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
  const auto rejected = [&](std::string_view reason) {
    return vipward.metric("vipward_connections_rejected_total", {{"reason", reason}});
  };
  vipward.change("access_log: false", "access_log: false\n    max_connections: 1");
  reload(vipward, "api: max_connections 0 -> 1");
  CHECK(refused(vipward.address(), 3) == 3);
  CHECK(rejected("limit") == 3);
  CHECK(rejected("not_allowed") == 0);
  CHECK(clients.count_stuck(20s) == 0);

  vipward.change("max_connections: 1", "allow: [10.0.0.0/8]");
  reload(vipward, "api: allow 10.0.0.0/8 added");
  CHECK(refused(vipward.address(), 4) == 4);
  CHECK(rejected("limit") == 3);
  CHECK(rejected("not_allowed") == 4);
  CHECK(clients.count_stuck(20s) == 0);

  vipward.change("10.0.0.0/8", "127.0.0.0/8");
  vipward.must({"reload"});
  CHECK(is_served(vipward.address()));
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

TEST_CASE("an admin address that is taken: refused, and nothing has changed") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 10});
  const pid_t proxy = vipward.proxy();
  const Fd taken = listen_tcp(vipward.another_address());
  vipward.change("admin: {listen: [\"",
                 "admin: {listen: [\"" + vipward.another_address().to_string() + "\", \"");
  vipward.change("access_log: false", "access_log: false\n    max_connections: 1");
  const CommandResult result = vipward.command({"reload"});
  CHECK(result.exit_code == 1);
  CHECK(result.standard_error == "vipward reload: nothing changed\ncannot listen on " +
                                     vipward.another_address().to_string() + ": Address already in use\n");
  CHECK(vipward.proxy() == proxy);
  CHECK(vipward.metric("vipward_generation") == 1);
  CHECK(is_served(vipward.address()));
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("log: at once, of both processes") {
  ServedFolder vipward;
  vipward.change("access_log: false", "access_log: false\n    allow: [10.0.0.0/8]");
  vipward.must({"reload"});
  CHECK(refused(vipward.address(), 1) == 1);
  const std::string without = vipward.config();
  vipward.write_config(without + "log: {level: debug}\n");
  reload(vipward, "log.level info -> debug");
  CHECK(vipward.process().count_lines("client refused") == 0);
  CHECK(refused(vipward.address(), 1) == 1);
  CHECK(vipward.process().wait_for_line(" debug +client refused .*reason=not_allowed", 20s));
  vipward.write_config(without + "log: {format: json}\n");
  vipward.must({"reload"});
  CHECK(vipward.process().wait_for_line("^\\{.*reload complete", 20s));
  kill(vipward.proxy(), SIGKILL);
  CHECK(vipward.process().wait_for_line("^\\{.*proxy.*signal 9", 20s));
  CHECK(vipward.process().count_lines("client refused") == 1);
}

TEST_CASE("a section vip that appears is refused, it needs a restart") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 10});
  vipward.write_config(vipward.config() + "vip: {addresses: [127.0.0.77/8], peers: [127.0.0.9]}\n");
  const CommandResult result = vipward.command({"reload"});
  CHECK(result.exit_code == 1);
  CHECK(result.standard_error ==
        "vipward reload: nothing changed\n"
        "vip: added: this needs a restart of vipward, on the standby first\n");
  CHECK(vipward.metric("vipward_generation") == 1);
  CHECK(clients.tally().ended() == 0);
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
