// What becomes of clients when backends come, go, freeze and fall silent.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>

#include "tests/support/wait.h"
#include "tests/system/standins.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Of Standins::config(): the time in which a silent backend must be found dead, fall x (interval + timeouts).
constexpr auto kDeadAfter = 3 * (275ms + 500ms + 1000ms);
// A reset of many sessions is spread over two seconds at most.
constexpr auto kPacing = 2s;
// A machine under load.
constexpr auto kSlack = 2s;

std::string state_line(const std::string& backend, const std::string& to) {
  return "backend state changed.*backend=" + backend + ".*to=" + to;
}

TEST_CASE("each of three backends answers some of the requests") {
  Standins rig;
  rig.start_ready_vipward();
  const auto answers = rig.ask(60);
  for (const std::string& name : rig.names()) CHECK(answers.contains(name));
  CHECK(answers.size() == 3);

  SUBCASE("in turns with round_robin") {
    ConfigText config = rig.config();
    config.service["balance"] = "round_robin";
    rig.start_ready_vipward(config);
    for (const auto& [name, count] : rig.ask(30)) CHECK_MESSAGE(count == 10, name);
  }
}

TEST_CASE("killing one of three backends under a load of new connections fails none of them") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  // 500 a second, from three threads.
  std::vector<std::unique_ptr<Prober>> probers;
  const Prober::Options options{
      .target = Standins::service_address(), .tls = rig.tls(), .interval = 6ms, .limit = 5000ms};
  for (int i = 0; i < 3; ++i) probers.push_back(std::make_unique<Prober>(options));
  const auto answered = [&] {
    std::uint64_t sum = 0;
    for (const auto& prober : probers) sum += prober->answered();
    return sum;
  };
  REQUIRE(wait_until([&] { return answered() >= 500; }, 20s));
  for (const auto& prober : probers) CHECK(prober->failures_by_kind() == "none");

  const auto killed = Clock::now();
  rig.backend("master-2").kill();
  // Its sockets are closed: nothing can be in flight to it any more.
  const auto gone = Clock::now();
  REQUIRE(vipward.wait_for_state("master-2", "dead", kDeadAfter + kSlack));
  const auto dead_after = Clock::now() - killed;
  const auto before = answered();
  REQUIRE(wait_until([&] { return answered() >= before + 500; }, 20s));
  for (const auto& prober : probers) prober->stop();

  std::vector<Prober::Failure> cut;
  for (const auto& prober : probers) {
    CHECK(prober->failures_since(gone).empty());
    for (const Prober::Failure& failure : prober->failures()) cut.push_back(failure);
  }
  // A session whose backend had begun to answer dies with it: nobody else can finish its handshake. Those it
  // had only accepted are told to another one.
  CHECK(cut.size() <= 10);
  for (const Prober::Failure& failure : cut) {
    CHECK_MESSAGE(failure.ended >= killed, to_string(failure.error), ": ", failure.detail);
    CHECK((failure.error == ClientError::Reset || failure.error == ClientError::Closed));
  }
  MESSAGE("sessions that died with their backend: ", cut.size(), "; dead after ",
          std::chrono::duration_cast<std::chrono::milliseconds>(dead_after).count(), " ms");

  const MetricsText metrics = vipward.metrics();
  CHECK(metrics.value("vipward_backend_state", {{"backend", "master-2"}, {"state", "dead"}}) == 1);
  CHECK(metrics.value("vipward_connect_failures_total", {{"backend", "master-2"}}).value_or(0) >= 1);
  CHECK(metrics.value("vipward_connect_failures_total", {{"backend", "master-1"}}) == 0);
  const nlohmann::json status = vipward.backend_status("master-2");
  CHECK(status.at("state") == "dead");
  CHECK(status.at("reason").get<std::string>().find("refused") != std::string::npos);
  const CommandResult text = vipward.command({"status"});
  CHECK(text.standard_output.find("dead") != std::string::npos);
  CHECK(text.exit_code == 1);
  CHECK(vipward.process().count_lines(state_line("master-2", "dead")) == 1);

  rig.start_backend("master-2");
  CHECK(vipward.wait_for_state("master-2", "ready", 2 * 100ms + 1s + kSlack));
  CHECK(rig.ask(30).contains("master-2"));
}

TEST_CASE("a watch ends at once when its backend is killed, and the client can begin again") {
  Standins rig;
  rig.start_ready_vipward();
  HttpClient watch = rig.client();
  REQUIRE(watch.open({.path = "/watch"}).status == 200);
  const HttpClient::Line line = watch.read_line(2s);
  REQUIRE(line.error == ClientError::None);
  const std::string backend = line.text.substr(line.text.find("master-"), 8);
  rig.backend(backend).kill();
  const auto killed = Clock::now();
  const ClientError end = watch.wait_for_end(5s);
  CHECK((end == ClientError::Reset || end == ClientError::Closed));
  CHECK(Clock::now() - killed < 1s);
  HttpClient next = rig.client();
  CHECK(next.open({.path = "/watch"}).status == 200);
  CHECK(next.read_line(2s).error == ClientError::None);
}

TEST_CASE("a backend whose /readyz fails gets no new sessions and keeps the old ones") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const auto old = rig.client_on("master-1");
  rig.control("master-1", "readyz=500");
  REQUIRE(vipward.wait_for_state("master-1", "not_ready", kDeadAfter + kSlack));
  CHECK_FALSE(rig.ask(30).contains("master-1"));
  CHECK(old->get("/whoami").body == "master-1\n");
  CHECK(vipward.process().count_lines(state_line("master-1", "not_ready") + ".*GET /readyz: 500") == 1);
  CHECK(vipward.backend_status("master-1").at("connections") == 1);

  rig.control("master-1", "readyz=200");
  CHECK(vipward.wait_for_state("master-1", "ready", 2 * 100ms + 1s + kSlack));
  CHECK(old->get("/whoami").body == "master-1\n");
  // As long as it has a session more than the others it gets no other.
  old->disconnect();
  CHECK(wait_until([&] { return rig.ask(10).contains("master-1"); }, 5s));
}

TEST_CASE("drain.timeout ends the sessions of a backend that stays not ready, while another is ready") {
  Standins rig;
  ConfigText config = rig.config();
  config.service["drain"] = "{timeout: 500ms}";
  Daemon& vipward = rig.start_ready_vipward(config);
  const auto session = rig.client_on("master-1");
  rig.control("master-1", "readyz=500");
  REQUIRE(vipward.wait_for_state("master-1", "not_ready", kDeadAfter + kSlack));
  CHECK(session->wait_for_end(500ms + kPacing + kSlack) == ClientError::Reset);
  CHECK(vipward.metrics().value("vipward_connections_closed_total", {{"reason", "backend_not_ready"}}) == 1);

  // With nothing better to go to, they stay.
  const auto last = rig.client_on("master-2");
  for (const char* name : {"master-2", "master-3"}) rig.control(name, "readyz=500");
  for (const char* name : {"master-2", "master-3"}) {
    REQUIRE(vipward.wait_for_state(name, "not_ready", kDeadAfter + kSlack));
  }
  CHECK(last->wait_for_end(1500ms) == ClientError::Timeout);
}

TEST_CASE(
    "with every backend killed a client is reset at its first byte, and served as soon as one is back") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  for (const std::string& name : rig.names()) rig.backend(name).kill();
  // Before the checks know, and after.
  Standins::FirstByte first = rig.send_first_byte();
  CHECK(first.error == ClientError::Reset);
  CHECK(first.duration < 500ms);
  for (const std::string& name : rig.names()) {
    REQUIRE(vipward.wait_for_state(name, "dead", kDeadAfter + kSlack));
  }
  first = rig.send_first_byte();
  CHECK(first.error == ClientError::Reset);
  CHECK(first.duration < 500ms);
  CHECK(vipward.admin("/readyz").status == 503);
  CHECK(vipward.admin("/livez").status == 200);

  rig.start_backend("master-3");
  const auto back = Clock::now();
  CHECK(wait_until([&] { return rig.ask(1).contains("master-3"); }, 2 * 100ms + 1s));
  CHECK(vipward.wait_for_state("master-3", "ready", 2 * 100ms + 1s + kSlack));
  MESSAGE("ready after ", std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - back).count(),
          " ms");
  CHECK(vipward.admin("/readyz").status == 200);
}

TEST_CASE("with packets to every backend dropped a client is reset within connect.deadline") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  for (const std::string& name : rig.names()) rig.host().drop_packets_to(rig.address_of(name));
  const Standins::FirstByte first = rig.send_first_byte();
  CHECK(first.error == ClientError::Reset);
  CHECK(first.duration >= 1000ms);
  CHECK(first.duration < 1500ms + 500ms);
  for (const std::string& name : rig.names()) {
    CHECK(vipward.wait_for_state(name, "dead", kDeadAfter + kSlack));
  }
  CHECK(vipward.process().count_lines("session ended.*reason=(connect_deadline|no_backend)") == 1);

  rig.host().stop_dropping();
  // A check that is under way ends by its timeout first.
  CHECK(vipward.wait_until_ready(rig.names(), 500ms + 2 * 250ms + 1s + kSlack));
  CHECK(rig.ask(30).size() == 3);
}

TEST_CASE("one backend whose packets are dropped costs a client one connect.timeout, not its request") {
  Standins rig;
  ConfigText config = rig.config();
  // Slow checks: nobody knows yet.
  config.health_check["interval"] = "1h";
  rig.start_ready_vipward(config);
  rig.host().drop_packets_to(rig.address_of("master-1"));
  const auto answers = rig.ask(20);
  CHECK(answers.size() == 2);
  CHECK_FALSE(answers.contains("master-1"));
  CHECK(answers.contains("master-2"));
  CHECK(rig.vipward()
            .metrics()
            .value("vipward_connect_failures_total", {{"backend", "master-1"}})
            .value_or(0) >= 1);
}

TEST_CASE("a frozen backend is dead within fall x (interval + timeouts), and its sessions are reset") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const auto frozen = rig.client_on("master-3");
  const auto living = rig.client_on("master-1");
  rig.backend("master-3").signal(SIGSTOP);
  const auto stopped = Clock::now();
  CHECK(vipward.wait_for_state("master-3", "dead", kDeadAfter + kSlack));
  CHECK(frozen->wait_for_end(kPacing + kSlack) == ClientError::Reset);
  MESSAGE("reset after ",
          std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - stopped).count(), " ms");
  CHECK(living->get("/whoami").body == "master-1\n");
  CHECK_FALSE(rig.ask(20).contains("master-3"));
  CHECK(vipward.metrics().value("vipward_connections_closed_total", {{"reason", "backend_dead"}}) == 1);

  rig.backend("master-3").signal(SIGCONT);
  CHECK(vipward.wait_for_state("master-3", "ready", 500ms + 2 * 250ms + 1s + kSlack));
  CHECK(rig.ask(30).contains("master-3"));
}

TEST_CASE("sessions of silent backends stay when no other backend is ready") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  const auto session = rig.client_on("master-2");
  for (const char* name : {"master-1", "master-3"}) rig.backend(name).signal(SIGSTOP);
  for (const char* name : {"master-1", "master-3"}) {
    REQUIRE(vipward.wait_for_state(name, "dead", kDeadAfter + kSlack));
  }
  rig.backend("master-2").signal(SIGSTOP);
  REQUIRE(vipward.wait_for_state("master-2", "dead", kDeadAfter + kSlack));
  CHECK(session->wait_for_end(kPacing + 500ms) == ClientError::Timeout);
  // Nor is it cut when its backend is the first to come back.
  rig.backend("master-2").signal(SIGCONT);
  REQUIRE(vipward.wait_for_state("master-2", "ready", kDeadAfter + kSlack));
  CHECK(session->get("/whoami").body == "master-2\n");
}

TEST_CASE("backends that all fall silent at once lose no session: it may be our own network") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  std::vector<decltype(rig.client_on("master-1"))> sessions;
  for (const std::string& name : rig.names()) sessions.push_back(rig.client_on(name));
  for (const std::string& name : rig.names()) rig.backend(name).signal(SIGSTOP);
  for (const std::string& name : rig.names()) {
    REQUIRE(vipward.wait_for_state(name, "dead", kDeadAfter + kSlack));
  }
  CHECK(sessions.front()->wait_for_end(kPacing + 500ms) == ClientError::Timeout);
  for (const std::string& name : rig.names()) rig.backend(name).signal(SIGCONT);
  CHECK(vipward.wait_until_ready(rig.names(), kDeadAfter + kSlack));
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    CHECK(sessions[i]->get("/whoami").body == rig.names()[i] + "\n");
  }
}

TEST_CASE("when_none_ready: refuse resets clients at once") {
  Standins rig;
  ConfigText config = rig.config();
  config.service["when_none_ready"] = "refuse";
  Daemon& vipward = rig.start_ready_vipward(config);
  for (const std::string& name : rig.names()) rig.control(name, "readyz=500");
  for (const std::string& name : rig.names()) {
    REQUIRE(vipward.wait_for_state(name, "not_ready", kDeadAfter + kSlack));
  }
  const Standins::FirstByte first = rig.send_first_byte();
  CHECK(first.error == ClientError::Reset);
  CHECK(first.duration < 500ms);
  CHECK(
      vipward.metrics().value("vipward_connections_rejected_total", {{"reason", "no_backend"}}).value_or(0) >=
      1);
}

TEST_CASE("certificate expiry and clock skew of each backend are metrics") {
  Standins rig;
  Daemon& vipward = rig.start_ready_vipward();
  rig.control("master-2", "skew_seconds=120");
  CHECK(wait_until(
      [&] {
        const auto skew =
            vipward.metrics().value("vipward_backend_clock_skew_seconds", {{"backend", "master-2"}});
        return skew && *skew > 117 && *skew < 123;
      },
      5s));
  const MetricsText metrics = vipward.metrics();
  const auto skew = metrics.value("vipward_backend_clock_skew_seconds", {{"backend", "master-1"}});
  REQUIRE(skew);
  CHECK(*skew > -3);
  CHECK(*skew < 3);
  const auto expiry =
      metrics.value("vipward_backend_certificate_expiry_timestamp_seconds", {{"backend", "master-1"}});
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  REQUIRE(expiry);
  CHECK(*expiry > now + 3600 * 24 * 365.0);
}

}  // namespace
}  // namespace vipward::test
