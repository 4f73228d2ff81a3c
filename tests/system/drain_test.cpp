// `vipward drain` and `undrain` before and after the maintenance of an apiserver, with clients that are there
// all the time.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "tests/support/wait.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// What no machine is so slow as to need.
constexpr auto kPatience = 20s;

using Clients = std::vector<std::unique_ptr<HttpClient>>;

Clients clients_on(const Standins& rig, const std::string& backend, std::size_t count) {
  Clients clients;
  while (clients.size() < count) clients.push_back(rig.client_on(backend));
  return clients;
}

bool all_answer(Clients& clients, const std::string& backend) {
  return std::ranges::all_of(clients,
                             [&](auto& client) { return client->get("/whoami").body == backend + "\n"; });
}

bool first_line_becomes(const Daemon& vipward, const std::string& begin) {
  return wait_until([&] { return vipward.command({"status"}).standard_output.starts_with(begin); },
                    kPatience);
}

std::string content_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void check_failure(const CommandResult& result, const std::string& error) {
  CHECK(result.exit_code == 1);
  CHECK(result.standard_output.empty());
  CHECK(result.standard_error == error);
}

TEST_CASE("a drained backend keeps its clients and gets no new one, and status counts who is left") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients = clients_on(rig, "master-1", 3);
  const CommandResult drain = vipward.command({"drain", "master-1"});
  CHECK(drain.exit_code == 0);
  CHECK(drain.standard_output ==
        "api/master-1 is drained, its sessions are kept until they end\n"
        "vipward status shows how many sessions are left\n");
  REQUIRE(vipward.wait_for_state("master-1", "drained", kPatience));
  CHECK_FALSE(rig.ask(30).contains("master-1"));
  CHECK(all_answer(clients, "master-1"));
  CHECK(first_line_becomes(vipward,
                           "fine: 2 of 2 backends ready, 1 drained with 3 connections, 3 connections\n"));
  CHECK(vipward.command({"status"}).exit_code == 0);
  CHECK(vipward.command({"status"}).standard_output.find(", 3 sessions left\n") != std::string::npos);
  clients.pop_back();
  CHECK(first_line_becomes(vipward, "fine: 2 of 2 backends ready, 1 drained with 2 connections, "));
  CHECK(vipward.admin("/readyz").body == "ok\napi: ok: 2 of 2 backends ready (1 drained)\n");

  const nlohmann::json status = vipward.backend_status("master-1");
  CHECK(status.at("reason").get<std::string>().starts_with("drained by the operator since 20"));
  CHECK(status.at("drained").at("deadline").is_null());
  CHECK(status.at("drained").at("removed") == false);
  CHECK(status.at("last_check").at("result") == "ready");
  CHECK(vipward.process().count_lines(
            "info  backend drained by the operator service=api backend=master-1 deadline=none") == 1);

  CHECK(vipward.command({"undrain", "api/master-1"}).standard_output ==
        "api/master-1 gets new sessions again\n");
  CHECK(vipward.wait_for_state("master-1", "ready", kPatience));
  CHECK(vipward.process().count_lines("info  backend undrained service=api backend=master-1") == 1);
  CHECK(all_answer(clients, "master-1"));
  // As long as it has more sessions than the others it gets no other.
  clients.clear();
  CHECK(wait_until([&] { return rig.ask(10).contains("master-1"); }, kPatience));
}

TEST_CASE("what is left at the deadline is closed; a deadline can be given later") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients = clients_on(rig, "master-1", 2);
  Clients others = clients_on(rig, "master-2", 2);
  REQUIRE(vipward.command({"drain", "master-1"}).exit_code == 0);
  const auto asked = Clock::now();
  const CommandResult again = vipward.command({"drain", "master-1", "--deadline", "1500ms"});
  CHECK(again.exit_code == 0);
  CHECK(again.standard_output.starts_with(
      "api/master-1 was drained already, now its sessions are closed from 20"));
  CHECK(all_answer(clients, "master-1"));
  for (const auto& client : clients) CHECK(client->wait_for_end(kPatience) == ClientError::Reset);
  CHECK(Clock::now() - asked >= 1400ms);  // the two clocks are not read at one moment
  CHECK(vipward.metrics().value("vipward_connections_closed_total", {{"reason", "backend_drained"}}) == 2);
  CHECK(vipward.process().count_lines("session ended.*backend=master-1.*reason=backend_drained") == 2);
  CHECK(all_answer(others, "master-2"));
  CHECK(first_line_becomes(vipward, "fine: 2 of 2 backends ready, 1 drained with 0 connections, "));
}

TEST_CASE("a backend under repair loses its sessions when it dies, drained or not, and is no alarm") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  Clients clients = clients_on(rig, "master-1", 1);
  REQUIRE(vipward.command({"drain", "master-1"}).exit_code == 0);
  rig.backend("master-1").kill();
  CHECK(clients.front()->wait_for_end(kPatience) != ClientError::Timeout);
  CHECK(wait_until(
      [&] { return vipward.backend_status("master-1").at("last_check").at("result") == "no_answer"; },
      kPatience));
  CHECK(first_line_becomes(vipward, "fine: 2 of 2 backends ready, 1 drained with 0 connections, "));
  CHECK(rig.ask(20).size() == 2);
  rig.start_backend("master-1");
  REQUIRE(vipward.command({"undrain", "master-1"}).exit_code == 0);
  CHECK(vipward.wait_for_state("master-1", "ready", kPatience));
}

TEST_CASE("a drain and its deadline live through restarts and reloads, and end with undrain") {
  Standins rig;
  Daemon* vipward = &rig.start_ready_vipward();
  REQUIRE(vipward->command({"drain", "master-1", "--deadline", "1h"}).exit_code == 0);
  const std::string path = rig.folder().file("control.sock.drains");
  const std::string recorded = content_of(path);
  CHECK(recorded.starts_with("api/master-1 "));
  REQUIRE(vipward->wait_for_state("master-1", "drained", kPatience));
  const nlohmann::json drained = vipward->backend_status("master-1").at("drained");
  SUBCASE("the proxy dies") {
    const pid_t proxy = children_of(vipward->pid()).at(0);
    kill(proxy, SIGKILL);
    REQUIRE(wait_until([&] { return vipward->process().count_lines("proxy serves") == 2; }, kPatience));
  }
  SUBCASE("reload") {
    REQUIRE(vipward->command({"reload"}).exit_code == 0);
  }
  SUBCASE("restart") {
    vipward = &rig.start_vipward();
  }
  SUBCASE("restart with a configuration that does not have it, and again with one that does") {
    ConfigText config = rig.config();
    config.backends.erase("master-1");
    vipward = &rig.start_vipward(config);
    CHECK(vipward->process().wait_for_line(
        "warn  drained, but not in the configuration service=api backend=master-1", kPatience));
    REQUIRE(vipward->wait_until_ready({"master-2", "master-3"}, kPatience));
    vipward = &rig.start_vipward();
  }
  REQUIRE(vipward->wait_until_ready({"master-2", "master-3"}, kPatience));
  CHECK(vipward->state_of("master-1") == "drained");
  CHECK(vipward->backend_status("master-1").at("drained") == drained);
  CHECK_FALSE(rig.ask(20).contains("master-1"));
  CHECK(content_of(path) == recorded);
  REQUIRE(vipward->command({"undrain", "master-1"}).exit_code == 0);
  CHECK(vipward->wait_for_state("master-1", "ready", kPatience));
  CHECK(content_of(path).empty());
}

TEST_CASE("a drain in the middle of a reload is not lost") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  for (int i = 0; i < 6; ++i) {
    CAPTURE(i);
    const bool drains = i % 2 == 0;
    Process reload =
        rig.host().spawn({Daemon::binary(), "reload", "--control-socket", rig.folder().file("control.sock")});
    CHECK(vipward.command({drains ? "drain" : "undrain", "master-1"}).exit_code == 0);
    REQUIRE(reload.wait(kPatience) == 0);
    CHECK(vipward.wait_for_state("master-1", drains ? "drained" : "ready", kPatience));
  }
}

TEST_CASE("a reload that leaves only what is drained is refused until something is undrained") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  REQUIRE(vipward.command({"drain", "master-1"}).exit_code == 0);
  ConfigText config = rig.config();
  config.backends.erase("master-2");
  config.backends.erase("master-3");
  write_file(rig.folder().file("vipward.yaml"), config.yaml());
  check_failure(vipward.command({"reload"}),
                "vipward reload: nothing changed\n"
                "api: every backend that it would have is drained, new clients would be refused; undrain "
                "api/master-1 first\n");
  CHECK_FALSE(rig.ask(10).contains("master-1"));
  REQUIRE(vipward.command({"undrain", "master-1"}).exit_code == 0);
  CHECK(vipward.command({"reload"}).exit_code == 0);
  CHECK(rig.ask(10) == std::map<std::string, unsigned>{{"master-1", 10}});
}

TEST_CASE("what cannot be drained is answered with what can be, and nothing changes") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  check_failure(vipward.command({"drain", "mastr-2"}),
                "vipward drain: there is no backend \"mastr-2\", there are: api/master-2, api/master-1, "
                "api/master-3\n");
  check_failure(
      vipward.command({"undrain", "join/master-1"}),
      "vipward undrain: there is no backend \"join/master-1\", there are: api/master-1, api/master-2, "
      "api/master-3\n");
  const CommandResult nothing = vipward.command({"undrain", "master-1"});
  CHECK(nothing.exit_code == 0);
  CHECK(nothing.standard_output == "master-1 is not drained\n");
  CHECK(vipward.command({"drain"}).exit_code == 2);
  CHECK(vipward.command({"drain", "master-1", "--deadline", "soon"}).exit_code == 2);

  REQUIRE(vipward.command({"drain", "master-1"}).exit_code == 0);
  REQUIRE(vipward.command({"drain", "master-2"}).exit_code == 0);
  check_failure(
      vipward.command({"drain", "master-3"}),
      "vipward drain: api: master-3 is the only one that is not drained, new clients would be refused; "
      "undrain another one first\n");
  CHECK(vipward.wait_for_state("master-2", "drained", kPatience));
  CHECK(vipward.state_of("master-3") == "ready");
  CHECK(rig.ask(10) == std::map<std::string, unsigned>{{"master-3", 10}});
}

}  // namespace
}  // namespace vipward::test
