// What one image of the guardian leaves to the next: everything arrives as it was.
#include "lb/guardian/heritage.h"

#include <doctest/doctest.h>

#include "tests/support/seed_corpus.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kThen{123456789ns};

VipMemory full_memory() {
  VipMemory memory;
  memory.interface = "eth0";
  memory.own_peers = {*IpAddress::parse("10.0.0.21")};
  memory.source = *IpAddress::parse("10.0.0.21");
  memory.interval = 200ms;
  memory.advertised = {*IpAddress::parse("10.0.0.100")};
  memory.socket_interface = 2;
  memory.links_usable = true;
  memory.wish = Candidacy::Full;
  memory.wish_why = "no fault";
  memory.instance.state = VipState::Active;
  memory.instance.last_heard =
      LastHeard{.source = *IpAddress::parse("10.0.0.22"), .priority = 99, .interval = 200ms, .at = kThen};
  memory.instance.advertise_at = kThen + 200ms;
  memory.instance.contested_until = kThen + 1s;
  memory.instance.contested_since = kThen;
  memory.instance.active_since = kThen;
  memory.announcing = {.running = true, .rounds_from = kThen, .round = 3, .last_restart = kThen};
  memory.keeping.problem = "it is not there";
  memory.keeping.retry_at = kThen + 1s;
  memory.conflict = {.since = kThen, .until = kThen + 3s, .last = "10.0.0.22 answers"};
  memory.last_explained = {
      .at = kThen, .source = *IpAddress::parse("10.0.0.22"), .text = "10.0.0.22 speaks version 2"};
  memory.arrived_at = kThen;
  memory.counters.advertisements_sent = 4711;
  memory.since = WallTime(1'795'338'751s);
  memory.reason = "down_timer";
  return memory;
}

Heritage full_heritage() {
  Heritage left;
  left.executable_path = "/usr/local/sbin/vipward";
  left.config_text = "services: [\"\\u00fc\"]\n";
  left.proxy_account = Account{.user = 65534, .group = 65533};
  left.config_loaded_unix_ms = 1'795'338'751'123;
  left.generations = 7;
  left.supervisor = {.deaths = {kThen, kThen + 1s}, .restarts = 2};
  left.predecessor = ProxyProcess::Lent{5, 100, 20, 21, 22, true};
  left.successor = ProxyProcess::Lent{6, 101, 23, 24, 25, false};
  left.handover = {.kind = SuccessionKind::Upgrade,
                   .reply = 26,
                   .asked_at = kThen,
                   .committed_at = kThen + 2s,
                   .predecessor = 5,
                   .successor = 6,
                   .from_version = "0.1.0 (a1b2c3)",
                   .changes = {"api: backend master-4 added"}};
  left.departing = {{"api", "master-3", "10.0.0.13:6443", 42}};
  left.drains = "api/master-1 1795338751123 0\n";
  left.every_service_has_living = false;
  Histogram lag(kLagBounds);
  lag.observe(3ms);
  left.loop_lag = lag.snapshot();
  left.listeners = {{*SocketAddress::parse("10.0.0.100:6443"), {30, 31}},
                    {*SocketAddress::parse("[fd00::1]:6443"), {32}}};
  left.refusing_on_vips = true;
  left.control = {.listener = 33, .clients = {{34, "rel"}}};
  left.operator_commands = {
      .is_holding = true, .holds_until = kThen + 1h, .pending_reply = 35, .pending_since = kThen};
  left.vip = full_memory();
  left.vrrp_socket = 36;
  return left;
}

Heritage round_trip(const Heritage& heritage) {
  auto read = parse_heritage(to_text(heritage));
  REQUIRE_MESSAGE(std::holds_alternative<Heritage>(read), std::get<std::string>(read));
  return std::get<Heritage>(std::move(read));
}

TEST_CASE("everything that is left arrives as it was") {
  const Heritage left = full_heritage();
  const Heritage got = round_trip(left);
  CHECK(got.executable_path == left.executable_path);
  CHECK(got.config_text == left.config_text);
  REQUIRE(got.proxy_account);
  CHECK(got.proxy_account->user == 65534);
  CHECK(got.proxy_account->group == 65533);
  CHECK(got.config_loaded_unix_ms == left.config_loaded_unix_ms);
  CHECK(got.generations == 7);
  CHECK(got.supervisor.deaths == left.supervisor.deaths);
  CHECK(got.supervisor.restarts == 2);
  REQUIRE(got.predecessor);
  CHECK(got.predecessor->pid == 100);
  CHECK(got.predecessor->start_known);
  REQUIRE(got.successor);
  CHECK(got.successor->number == 6);
  CHECK_FALSE(got.successor->start_known);
  CHECK(got.handover.kind == SuccessionKind::Upgrade);
  CHECK(got.handover.committed_at == kThen + 2s);
  CHECK(got.handover.from_version == "0.1.0 (a1b2c3)");
  CHECK(got.handover.changes == left.handover.changes);
  REQUIRE(got.departing.size() == 1);
  CHECK(got.departing.front().address == "10.0.0.13:6443");
  CHECK(got.departing.front().leaves_at_ns == 42);
  CHECK(got.drains == left.drains);
  CHECK_FALSE(got.every_service_has_living);
  CHECK(got.loop_lag == left.loop_lag);
  REQUIRE(got.listeners.size() == 2);
  CHECK(got.listeners[1].address == left.listeners[1].address);
  CHECK(got.listeners[0].sockets == std::vector{30, 31});
  CHECK(got.refusing_on_vips);
  REQUIRE(got.control.clients.size() == 1);
  CHECK(got.control.clients.front().line == "rel");
  CHECK(got.operator_commands.is_holding);
  CHECK(got.operator_commands.holds_until == kThen + 1h);
  // And written again it is the same, whatever is not named above.
  CHECK(to_text(got) == to_text(left));
}

TEST_CASE("the fuzz target's corpus is a full state and a later one") {
  test::check_corpus(VIPWARD_CORPUS, {{"full", to_text(full_heritage())}, {"later", R"({"version": 3})"}});
}

TEST_CASE("every descriptor is named once, and none that is not there") {
  std::vector<int> named = descriptors_of(full_heritage());
  std::sort(named.begin(), named.end());
  CHECK(named == std::vector{20, 21, 22, 23, 24, 25, 26, 30, 31, 32, 33, 34, 35, 36});
  CHECK(descriptors_of(Heritage()).empty());
}

TEST_CASE("a configuration that is no UTF-8 does not stop it") {
  Heritage left;
  left.config_text = "# caf\xe9\n";
  CHECK(std::holds_alternative<Heritage>(parse_heritage(to_text(left))));
}

TEST_CASE("fields that a reader does not know are skipped, those that it misses have their defaults") {
  const auto read = parse_heritage(R"({"version": 2, "generations": 3, "of_a_later_version": [1]})");
  REQUIRE(std::holds_alternative<Heritage>(read));
  CHECK(std::get<Heritage>(read).generations == 3);
  CHECK(std::get<Heritage>(read).every_service_has_living);
  CHECK_FALSE(std::get<Heritage>(read).drains);
}

TEST_CASE("counters of an older version are the first ones, the rest begins at zero; more are refused") {
  const auto read = parse_heritage(R"({"version": 2, "vip": {"counters": {"announcements": [7, 8, 9]}}})");
  REQUIRE(std::holds_alternative<Heritage>(read));
  CHECK(std::get<Heritage>(read).vip.value().counters.announcements ==
        std::array<std::uint64_t, 4>{7, 8, 9, 0});
  for (const auto* counters : {"[1, 2, 3, 4, 5]", "7", R"([1, "2"])", R"({"0": 1})"}) {
    CAPTURE(counters);
    const std::string text =
        R"({"version": 2, "vip": {"counters": {"announcements": )" + std::string(counters) + "}}}";
    CHECK(std::holds_alternative<std::string>(parse_heritage(text)));
  }
}

TEST_CASE("another form, or no state at all, is refused with the reason") {
  const auto refusal_of = [](std::string_view text) {
    const auto read = parse_heritage(text);
    REQUIRE(std::holds_alternative<std::string>(read));
    return std::get<std::string>(read);
  };
  CHECK(refusal_of(R"({"version": 3})") ==
        "the running version leaves its state in form 3, this one understands 2");
  CHECK(refusal_of(R"({"version": 3, "uptime": 0.5})") ==
        "the running version leaves its state in form 3, this one understands 2");
  const std::string unreadable = "the state that the running version leaves cannot be read: ";
  CHECK(refusal_of("").starts_with(unreadable));
  CHECK(refusal_of("{}").starts_with(unreadable));
  CHECK(refusal_of(R"({"version": "2"})").starts_with(unreadable));
  CHECK(refusal_of(R"({"version": 1e300})") == unreadable + "a fraction where there is none");
  CHECK(refusal_of(R"({"version": 2, "supervisor": {"deaths": [1e300]}})") ==
        unreadable + "a fraction where there is none");
  CHECK(refusal_of(R"({"version": 2, "listeners": [{"address": "nowhere"}]})") ==
        unreadable + "not an address with a port");
}

}  // namespace
}  // namespace vipward
