// vipward in front of real kube-apiservers.
#include <doctest/doctest.h>
#include <signal.h>

#include <list>
#include <sstream>

#include "tests/support/wait.h"
#include "tests/system/control_plane.h"
#include "tests/system/counted_events.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kSlack = 3s;
// A reset of many sessions is spread over two seconds at most.
constexpr auto kPacing = 2s;
// fall x (interval + timeouts), with the defaults.
constexpr auto kDeadAfter = 3 * (1100ms + 2000ms + 5000ms);
constexpr const char* kConfigMaps = "/api/v1/namespaces/default/configmaps";

std::chrono::milliseconds since(Clock::time_point moment) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - moment);
}

std::string state_line(const std::string& backend, const std::string& to) {
  return "backend state changed.*backend=" + backend + ".*to=" + to;
}

// A ConfigMap that exists as long as the object does.
class ConfigMap {
 public:
  ConfigMap(ControlPlane& plane, std::string name) : plane_(plane), name_(std::move(name)) {
    const CommandResult result =
        plane_.kubectl({"create", "configmap", name_, "--from-literal=from=vipward"});
    CHECK_MESSAGE(result.succeeded(), result.standard_error);
  }
  ~ConfigMap() { plane_.kubectl({"delete", "configmap", name_, "--ignore-not-found"}); }
  ConfigMap(const ConfigMap&) = delete;
  ConfigMap& operator=(const ConfigMap&) = delete;
  const std::string& name() const { return name_; }

 private:
  ControlPlane& plane_;
  std::string name_;
};

// Watches of ConfigMaps, one connection each, spread over the backends.
class Watches {
 public:
  Watches(ControlPlane& plane, unsigned count) {
    const InsideNamespace inside = plane.client_host().enter();
    for (unsigned i = 0; i < count; ++i) {
      HttpClient& watch = clients_.emplace_back(plane.client());
      const HttpResponse response = watch.open({.path = std::string(kConfigMaps) + "?watch=1"});
      REQUIRE_MESSAGE(response.is_ok(), describe(response));
    }
  }

  // How each goes on until it has told of `name`, has ended, or `limit` is over.
  struct Outcome {
    unsigned told = 0;
    unsigned ended = 0;     // its connection
    unsigned finished = 0;  // by the apiserver, on a connection that is still there
    unsigned silent = 0;
  };
  Outcome wait_for_event(const std::string& name, std::chrono::milliseconds limit) {
    Outcome outcome;
    const auto deadline = Clock::now() + limit;
    for (HttpClient& watch : clients_) {
      for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        const HttpClient::Line line = watch.read_line(std::max(left, 1ms));
        if (line.is_end) {
          ++outcome.finished;
          finished_.push_back(&watch);
        } else if (line.error == ClientError::Timeout) {
          ++outcome.silent;
        } else if (line.error != ClientError::None) {
          ++outcome.ended;
          watch.disconnect();
        } else if (line.text.find("\"" + name + "\"") == std::string::npos) {
          continue;
        } else {
          ++outcome.told;
        }
        break;
      }
    }
    return outcome;
  }
  // Those of the finished ones whose connection takes another request.
  unsigned count_reusable() {
    unsigned count = 0;
    for (HttpClient* client : finished_) {
      if (client->is_connected() && client->get(kConfigMaps).is_ok()) ++count;
    }
    return count;
  }

 private:
  std::list<HttpClient> clients_;
  std::vector<HttpClient*> finished_;
};

// Calls on connections of their own, one after another; counts what fails.
struct Calls {
  unsigned made = 0;
  std::string failures;
};
void call(ControlPlane& plane, Calls& calls) {
  const HttpResponse response = plane.client_host().call([&] {
    HttpClient client = plane.client();
    return client.send({.path = kConfigMaps, .close = true});
  });
  ++calls.made;
  if (!response.is_ok()) calls.failures += std::to_string(calls.made) + ": " + describe(response) + "\n";
}

TEST_CASE("kubectl creates, gets, watches and deletes through vipward") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  Process watch = plane.spawn_kubectl({"get", "configmaps", "--watch", "--output=name"});
  CommandResult result = plane.kubectl({"create", "configmap", "hello", "--from-literal=from=vipward"});
  CHECK_MESSAGE(result.succeeded(), result.standard_error);
  CHECK(watch.wait_for_line("^configmap/hello$", 10s));
  result = plane.kubectl({"get", "configmap", "hello", "--output=jsonpath={.data.from}"});
  CHECK(result.standard_output == "vipward");
  result = plane.kubectl({"delete", "configmap", "hello"});
  CHECK_MESSAGE(result.succeeded(), result.standard_error);
  result = plane.kubectl({"get", "configmap", "hello"});
  CHECK(result.exit_code == 1);
  CHECK(result.standard_error.find("NotFound") != std::string::npos);

  // Every apiserver has its share.
  Calls calls;
  for (int i = 0; i < 30; ++i) call(plane, calls);
  CHECK_MESSAGE(calls.failures.empty(), calls.failures);
  const MetricsText metrics = vipward->metrics();
  for (const std::string& master : plane.masters()) {
    CHECK(metrics.value("vipward_backend_connections_total", {{"backend", master}}).value_or(0) > 0);
  }
}

// The numbers that kubectl prints, a line each.
std::vector<unsigned> numbers_in(const std::string& text) {
  std::vector<unsigned> numbers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) numbers.push_back(static_cast<unsigned>(std::stoul(line)));
  }
  return numbers;
}

TEST_CASE("kubectl's and other watches live through ten reloads, and no event is lost or told twice") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  CountingConfigMap map(plane);
  std::list<CountingWatch> watches;
  for (int i = 0; i < 9; ++i) watches.emplace_back(plane);
  // A list: of a single object kubectl leaves the watch's first event out (its get.go), whichever that is.
  Process kubectl = plane.spawn_kubectl(
      {"get", "configmaps", "--field-selector=metadata.name=" + std::string(CountingConfigMap::kName),
       "--watch", "--output=jsonpath={.data.n}{\"\\n\"}"});
  REQUIRE_MESSAGE(kubectl.wait_for_line("^[0-9]+$", 10s), kubectl.output_tail());
  // With events on their way; an etcd on a busy machine may have none to tell for seconds.
  unsigned reloads = 0;
  for (unsigned with_events = 0; with_events < 10 && reloads < 50; ++reloads) {
    const unsigned before = map.count();
    const CommandResult result = vipward->command({"reload"});
    CHECK_MESSAGE(result.exit_code == 0, result.standard_error);
    if (map.count() > before) ++with_events;
  }
  CHECK(reloads < 50);
  CHECK(map.stop() == "");
  const unsigned last = map.count();
  MESSAGE(last, " events in ", reloads, " reloads");
  for (CountingWatch& watch : watches) {
    CHECK(wait_until([&] { return watch.has_told(last); }, 10s));
    CHECK(gap_in(watch.told(), last) == "");
    CHECK(watch.end() == "");
  }
  CHECK(kubectl.wait_for_line("^" + std::to_string(last) + "$", 10s));
  CHECK(gap_in(numbers_in(kubectl.standard_output()), last) == "");
  CHECK(kubectl.is_running());
}

TEST_CASE("a watch on an apiserver that is killed ends at once, the others go on, and a new one works") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  Watches watches(plane, 9);
  const ConfigMap first(plane, "before-the-kill");
  Process kubectl = plane.spawn_kubectl({"get", "configmaps", "--watch", "--output=name"});
  REQUIRE_MESSAGE(kubectl.wait_for_line("^configmap/before-the-kill$", 10s), kubectl.output_tail());

  plane.apiserver("master-2").kill();
  const auto killed = Clock::now();
  const ConfigMap map(plane, "after-the-kill");
  const Watches::Outcome outcome = watches.wait_for_event(map.name(), 5s);
  CHECK(outcome.silent == 0);
  CHECK(outcome.ended >= 1);
  CHECK(outcome.told + outcome.ended == 9);
  CHECK(outcome.told >= 4);
  // kubectl's was on one of the three: it goes on or ends, too.
  CHECK(wait_until([&] { return kubectl.count_lines("after-the-kill") > 0 || !kubectl.is_running(); }, 5s));
  MESSAGE("ended: ", outcome.ended, ", all known after ", since(killed).count(), " ms");
  Watches again(plane, 3);
  const ConfigMap second(plane, "second");
  CHECK(again.wait_for_event(second.name(), 5s).told == 3);
  CHECK(vipward->wait_for_state("master-2", "dead", kDeadAfter + kSlack));
}

TEST_CASE("an apiserver that is told to stop is not ready before it closes, and no call fails meanwhile") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  plane.apiserver("master-1").signal(SIGTERM);
  const auto stopped = Clock::now();
  Calls calls;
  std::optional<std::chrono::milliseconds> not_ready_after;
  std::optional<std::chrono::milliseconds> gone_after;
  // Evenly over the time that it takes, and the first seconds after.
  for (int i = 0; i < 200; ++i) {
    call(plane, calls);
    if (!not_ready_after && vipward->state_of("master-1") == "not_ready") not_ready_after = since(stopped);
    if (!gone_after && !plane.apiserver("master-1").is_running()) gone_after = since(stopped);
    std::this_thread::sleep_until(stopped + (i + 1) * (ControlPlane::kShutdownDelay + 4s) / 200);
  }
  CHECK(calls.made == 200);
  CHECK_MESSAGE(calls.failures.empty(), calls.failures);
  REQUIRE(not_ready_after);
  CHECK(*not_ready_after < ControlPlane::kShutdownDelay);
  if (gone_after) CHECK(*not_ready_after < *gone_after);
  MESSAGE("not ready after ", not_ready_after->count(), " ms, gone after ", gone_after.value_or(0ms).count(),
          " ms");
  CHECK(vipward->process().count_lines(state_line("master-1", "not_ready") + ".*readyz: 500") == 1);
  REQUIRE(plane.apiserver("master-1").wait(90s));
  CHECK(vipward->wait_for_state("master-1", "dead", kDeadAfter + kSlack));
}

TEST_CASE("with anonymous requests off, a check needs a client certificate or a bearer token") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  ConfigText config = plane.config();
  config.health_check = {{"tls", "{ca_file: \"" + plane.pki_file("ca.crt") + "\"}"}};
  SUBCASE("without either: 401, not ready, and what to do is said") {
    const auto vipward = plane.start_vipward(config);
    CHECK(vipward->wait_for_state("master-1", "not_ready", 20s));
    CHECK(vipward->process().wait_for_line("backend=master-1.*401.*bearer_token_file", 5s));
    // Alive and better than nothing.
    Calls calls;
    for (int i = 0; i < 5; ++i) call(plane, calls);
    CHECK_MESSAGE(calls.failures.empty(), calls.failures);
  }
  SUBCASE("with a bearer token") {
    config.health_check["bearer_token_file"] = "\"" + plane.pki_file("health.token") + "\"";
    const auto vipward = plane.start_vipward(config);
    CHECK(vipward->wait_until_ready(plane.masters(), 20s));
  }
  SUBCASE("with a client certificate") {
    const auto vipward = plane.start_vipward(plane.config());
    CHECK(vipward->wait_until_ready(plane.masters(), 20s));
  }
}

TEST_CASE("a frozen apiserver is dead within fall x (interval + timeouts), and its sessions are reset") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  Watches watches(plane, 6);
  plane.apiserver("master-3").signal(SIGSTOP);
  const auto frozen = Clock::now();
  CHECK(vipward->wait_for_state("master-3", "dead", kDeadAfter + kSlack));
  MESSAGE("dead after ", since(frozen).count(), " ms");
  const ConfigMap map(plane, "while-frozen");
  const Watches::Outcome outcome = watches.wait_for_event(map.name(), kPacing + kSlack);
  CHECK(outcome.silent == 0);
  CHECK(outcome.ended == 2);
  CHECK(outcome.told == 4);
  CHECK(vipward->metrics().value("vipward_connections_closed_total", {{"reason", "backend_dead"}}) == 2);
  plane.apiserver("master-3").signal(SIGCONT);
  CHECK(vipward->wait_for_state("master-3", "ready", 20s));
}

TEST_CASE("two of three etcd members frozen for 20 s: every backend not ready, none dead, no session reset") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  Watches watches(plane, 12);
  for (const char* master : {"master-1", "master-2"}) plane.etcd(master).signal(SIGSTOP);
  const auto frozen = Clock::now();
  for (const std::string& master : plane.masters()) {
    CHECK(vipward->wait_for_state(master, "not_ready", 20s));
  }
  MESSAGE("all not ready after ", since(frozen).count(), " ms");
  std::this_thread::sleep_until(frozen + 20s);
  for (const std::string& master : plane.masters()) CHECK(vipward->state_of(master) == "not_ready");
  for (const char* master : {"master-1", "master-2"}) plane.etcd(master).signal(SIGCONT);
  CHECK(vipward->wait_until_ready(plane.masters(), 60s));

  CHECK(vipward->process().count_lines("backend state changed.*to=dead") == 0);
  const ConfigMap map(plane, "after-the-quorum");
  const Watches::Outcome outcome = watches.wait_for_event(map.name(), 10s);
  CHECK(outcome.ended == 0);
  CHECK(outcome.silent == 0);
  // An apiserver may finish its watches when etcd has no leader: that is its answer, not our reset.
  CHECK(outcome.told + outcome.finished == 12);
  CHECK(watches.count_reusable() == outcome.finished);
  for (const char* reason : {"backend_dead", "backend_not_ready", "backend_reset"}) {
    CHECK_MESSAGE(vipward->metrics().value("vipward_connections_closed_total", {{"reason", reason}}) == 0,
                  reason);
  }
}

TEST_CASE("a wrong ca_file resets no session, and log and metrics say TLS") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const std::string file = plane.folder().file("check-ca.crt", read_file(plane.pki_file("ca.crt")));
  ConfigText config = plane.config();
  config.health_check["tls"] = "{ca_file: \"" + file + "\", certificate_file: \"" +
                               plane.pki_file("health.crt") + "\", key_file: \"" +
                               plane.pki_file("health.key") + "\"}";
  const auto vipward = plane.start_ready_vipward(config);
  Watches watches(plane, 6);
  write_file(file, read_file(plane.pki_file("etcd-ca.crt")));
  for (const std::string& master : plane.masters()) CHECK(vipward->wait_for_state(master, "not_ready", 20s));
  const ConfigMap map(plane, "wrong-ca");
  const Watches::Outcome outcome = watches.wait_for_event(map.name(), 10s);
  CHECK(outcome.told == 6);
  for (const std::string& master : plane.masters()) {
    CHECK(vipward->process().count_lines("health check fails in TLS.*backend=" + master) == 1);
    CHECK(vipward->backend_status(master).at("last_check").at("phase") == "tls");
  }
  const MetricsText metrics = vipward->metrics();
  CHECK(metrics.value("vipward_health_checks_total", {{"result", "not_ready"}}).value_or(0) >= 9);
  CHECK(metrics.value("vipward_connections_closed_total", {{"reason", "backend_dead"}}) == 0);
}

TEST_CASE("with every apiserver gone a client is reset, never held, and served as soon as one is back") {
  ControlPlane& plane = ControlPlane::instance();
  plane.heal();
  const auto vipward = plane.start_ready_vipward();
  const auto first_byte = [&] {
    const auto start = Clock::now();
    const ClientError error = plane.client_host().call([&] { return plane.client(20s).connect(); });
    return std::pair(error, since(start));
  };

  SUBCASE("killed: at once") {
    for (const std::string& master : plane.masters()) plane.apiserver(master).kill();
    const auto [error, duration] = first_byte();
    CHECK(error == ClientError::Reset);
    CHECK(duration < 1s);
    for (const std::string& master : plane.masters()) {
      CHECK(vipward->wait_for_state(master, "dead", kDeadAfter + kSlack));
    }
    const auto [later_error, later_duration] = first_byte();
    CHECK(later_error == ClientError::Reset);
    CHECK(later_duration < 1s);

    plane.start_apiserver("master-1");
    REQUIRE(plane.wait_until_ready("master-1", 120s));
    const auto back = Clock::now();
    // rise x fast_interval, and a second
    CHECK(vipward->wait_for_state("master-1", "ready", 2 * 250ms + 1s + 1s));
    Calls calls;
    for (int i = 0; i < 10; ++i) call(plane, calls);
    CHECK_MESSAGE(calls.failures.empty(), calls.failures);
    MESSAGE("ready ", since(back).count(), " ms after its own /readyz");
  }
  SUBCASE("packets dropped: within connect.deadline") {
    for (const std::string& master : plane.masters()) {
      plane.load_balancer().drop_packets_to(plane.api_address(master));
    }
    const auto [error, duration] = first_byte();
    CHECK(error == ClientError::Reset);
    CHECK(duration > 3s);
    CHECK(duration < 5s + 1s);
    for (const std::string& master : plane.masters()) {
      CHECK(vipward->wait_for_state(master, "dead", kDeadAfter + kSlack));
    }
    plane.load_balancer().stop_dropping();
    Calls calls;
    call(plane, calls);
    CHECK_MESSAGE(calls.failures.empty(), calls.failures);
    CHECK(vipward->wait_until_ready(plane.masters(), 20s));
  }
}

}  // namespace
}  // namespace vipward::test
