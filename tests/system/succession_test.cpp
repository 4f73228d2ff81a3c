// Reload and upgrade: nothing that is connected notices.
#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>

#include "tests/support/prober.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/served_folder.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

TrafficClients::Options every_kind(const SocketAddress& target) {
  return {.target = target, .bulk = 8, .request = 40, .idle = 100, .silent = 10};
}

// Every session is there, and has the right bytes.
void check_untouched(TrafficClients& clients, ServedFolder& vipward) {
  const auto tally = clients.tally();
  CHECK(tally.reset == 0);
  CHECK(tally.closed == 0);
  CHECK(tally.corrupt == 0);
  CHECK(vipward.backend(0).corrupt() + vipward.backend(1).corrupt() == 0);
  CHECK(clients.count_stuck(20s) == 0);
}

TEST_CASE("sessions of every kind live through reloads and upgrades, and no new client is refused") {
  ServedFolder vipward;
  TrafficClients clients(every_kind(vipward.address()));
  Prober prober({.target = vipward.address(), .limit = 5s});
  const pid_t guardian = vipward.guardian();
  const std::size_t descriptors = descriptors_of(guardian).size();
  for (int i = 0; i < 5; ++i) {
    const std::string answer = vipward.must({"reload"});
    CHECK_MESSAGE(answer.find(" sessions moved, longest stall ") != std::string::npos, answer);
    CHECK(answer.find("the configuration is the same\n") != std::string::npos);
    check_untouched(clients, vipward);
  }
  for (int i = 0; i < 2; ++i) {
    vipward.exchange_binary();
    const std::string answer = vipward.must({"upgrade"});
    CHECK_MESSAGE(answer.starts_with("upgraded from "), answer);
    check_untouched(clients, vipward);
  }
  clients.speak_up();
  check_untouched(clients, vipward);
  prober.stop();
  CHECK_MESSAGE(prober.failures().empty(), prober.failures_by_kind());
  CHECK(prober.answered() > 0);

  CHECK(vipward.guardian() == guardian);
  CHECK(vipward.process().is_running());
  CHECK(vipward.proxy() > 0);  // one, and no other child
  CHECK(vipward.metric("vipward_generation") == 8);
  CHECK(vipward.metric("vipward_proxy_restarts_total") == 0);
  CHECK(vipward.metric("vipward_config_last_reload_successful") == 1);
  CHECK(vipward.metric("vipward_connections_active", {{"service", "api"}}) >= 158);
  CHECK(wait_for_descriptors(guardian, descriptors));
}

TEST_CASE("SIGHUP reloads, and a configuration that is wrong leaves everything as it was") {
  ServedFolder vipward;
  const pid_t before = vipward.proxy();
  kill(vipward.guardian(), SIGHUP);
  REQUIRE(vipward.process().wait_for_line("reload complete generation=2", 20s));
  REQUIRE(wait_until([&] { return children_of(vipward.guardian()).size() == 1; }, 20s));
  const pid_t second = vipward.proxy();
  CHECK(second != before);
  vipward.change("access_log", "access_lok");
  kill(vipward.guardian(), SIGHUP);
  REQUIRE(vipward.process().wait_for_line("reload failed, nothing changed problem=.*access_lok", 20s));
  CHECK(vipward.proxy() == second);
  CHECK(vipward.metric("vipward_config_last_reload_successful") == 0);
}

TEST_CASE("what the checks know goes along: a dead backend gets no session of the next generation") {
  ServedFolder vipward;
  const std::string gone = vipward.backend(1).address().to_string();
  vipward.change("{name: b, address: \"" + gone + "\"}", "{name: b, address: \"127.0.0.1:1\"}");
  vipward.must({"reload"});
  REQUIRE(wait_until(
      [&] {
        return vipward.metric("vipward_backend_state", {{"backend", "b"}, {"state", "dead"}}) == 1;
      },
      20s));
  for (int i = 0; i < 3; ++i) {
    vipward.must({"reload"});
    // At once: no check of its own has ended three times yet.
    CHECK(vipward.metric("vipward_backend_state", {{"backend", "b"}, {"state", "dead"}}) == 1);
    CHECK(vipward.metric("vipward_backend_state", {{"backend", "a"}, {"state", "ready"}}) == 1);
  }
}

TEST_CASE(
    "reloads at the same time: one after the other or refused, and status and sessions are answered "
    "meanwhile") {
  ServedFolder vipward;
  const TrafficClients clients({.target = vipward.address(), .idle = 50});
  for (int round = 0; round < 3; ++round) {
    std::vector<Process> reloads;
    for (int i = 0; i < 3; ++i) reloads.push_back(vipward.start_command({"reload"}));
    CHECK(vipward.must({"sessions"}).starts_with("50 sessions\n"));
    vipward.must({"status"});
    int done = 0;
    for (Process& reload : reloads) {
      const auto code = reload.wait(70s);
      REQUIRE(code);
      if (*code == 0) {
        ++done;
        continue;
      }
      const std::string error = reload.standard_error();
      const bool is_known =
          error == "vipward reload: a reload or an upgrade is under way\n" ||
          error == "vipward reload: the last one still hands over its sessions, try again in a moment\n" ||
          error == "vipward reload: no proxy serves now, try again in a moment\n";
      CHECK_MESSAGE(is_known, error);
    }
    CHECK(done >= 1);
  }
  CHECK(clients.tally().ended() == 0);
}

TEST_CASE("a proxy that dies after a reload is replaced by one with the new configuration") {
  ServedFolder vipward;
  vipward.change("access_log: false", "access_log: true");
  vipward.must({"reload"});
  kill(vipward.proxy(), SIGKILL);
  REQUIRE(wait_until([&] { return vipward.metric("vipward_generation") == 3; }, 20s));
  TrafficClients clients(every_kind(vipward.address()));
  vipward.must({"reload"});
  check_untouched(clients, vipward);
}

TEST_CASE("a guardian that is killed takes nobody's session into the dark, before and after a reload") {
  ServedFolder vipward;
  vipward.must({"reload"});
  const TrafficClients clients({.target = vipward.address(), .idle = 20});
  kill(vipward.guardian(), SIGKILL);
  CHECK(wait_until([&] { return clients.tally().reset == 20; }, 20s));
  CHECK(clients.tally().closed == 0);
}

}  // namespace
}  // namespace vipward::test
