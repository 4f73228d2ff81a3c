// A living keepalived that was told something else than vipward, or is kept from being heard: what vipward
// says of it in its status, with the likely cause and what to configure.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tests/support/wait.h"
#include "tests/system/daemon.h"
#include "tests/system/vrrp_router.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Far more than any of it takes: a test of behaviour, not of speed.
constexpr Millis kLimit = 20s;

// What matches it alone, as an extended regular expression.
std::string as_pattern(const std::string& text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view(".[]()*+?{}|^$\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// vipward, of priority 100, and keepalived as another host of its instance, or of what it takes for that.
struct Misunderstanding {
  Misunderstanding(const Speech& ours, const Speech& theirs, int their_priority = 150)
      : vipward_router(VrrpRouter::make(RouterKind::Vipward, {lb1, {lb1, lb2}, ours, 100})),
        peer_router(VrrpRouter::make(RouterKind::Keepalived, {lb2, {lb1, lb2}, theirs, their_priority})) {
    vipward.start();
    REQUIRE_MESSAGE(wait_until([&] { return vipward.holds_all(); }, kLimit), vipward.log());
  }

  std::string warning() const {
    const HttpResponse response = Daemon::admin_of(lb1, "/api/v1/status");
    if (!response.is_ok()) return "";
    const auto status = nlohmann::json::parse(response.body);
    const auto& said = status.at("vip").at("warning");
    return said.is_string() ? said.get<std::string>() : "";
  }
  // Waits until the status and the log hold `sentence`.
  void check_said(const std::string& sentence) const {
    std::string last;
    const auto is_said = [&] {
      const std::string now = warning();
      if (!now.empty()) last = now;
      return now.find(sentence) != std::string::npos;
    };
    const bool was_said = wait_until(is_said, kLimit, 20ms);
    CHECK_MESSAGE(was_said, "\"", last, "\" instead of \"", sentence, "\"\n--- vipward:\n", vipward.log(),
                  "--- keepalived:\n", peer.log());
    const std::string pattern = "explanation=.*" + as_pattern(sentence);
    CHECK_MESSAGE(wait_until([&] { return vipward.count_log_lines(pattern) > 0; }, kLimit), vipward.log());
  }
  void check_counted(const std::string& reason) const {
    const auto count = [&] {
      return vipward.metric("vipward_vrrp_packets_rejected_total", {{"reason", reason}}).value_or(0);
    };
    CHECK_MESSAGE(wait_until([&] { return count() > 0; }, kLimit), reason);
  }
  void check_contested() const {
    CHECK(wait_until([&] { return vipward.metric("vipward_vip_contested") == 1; }, kLimit));
  }

  Network net;
  Host lb1 = net.host("lb1", 21);
  Host lb2 = net.host("lb2", 22);
  std::unique_ptr<VrrpRouter> vipward_router;
  std::unique_ptr<VrrpRouter> peer_router;
  VrrpRouter& vipward = *vipward_router;
  VrrpRouter& peer = *peer_router;
};

void check_explained(const Speech& ours, const Speech& theirs, const std::string& reason,
                     const std::string& sentence) {
  Misunderstanding both(ours, theirs);
  both.peer.start();
  both.check_said(sentence);
  both.check_counted(reason);
}

TEST_CASE("a peer of another version is explained") {
  check_explained({.version = 3, .is_multicast = true}, {.version = 2, .is_multicast = true}, "version",
                  "10.77.0.22 speaks VRRP version 2, this host version 3: set `version: 2` here or "
                  "vrrp_version 3 there");
  check_explained({.version = 2}, {.version = 3}, "version",
                  "10.77.0.22 speaks VRRP version 3, this host version 2: set `version: 3` here or "
                  "vrrp_version 2 there");
}

// After its first advertisement keepalived puts the next one off with each of ours that it refuses.
TEST_CASE("a peer with another interval in version 2 is explained, for as long as it claims the address") {
  const std::string sentence =
      "10.77.0.22 advertises every 2 s, this host every 1 s, which version 2 wants to be the same: set "
      "`advertise_interval: 2s` here or advert_int 1 there";
  Misunderstanding both({.version = 2}, {.version = 2, .v2_interval = 2s});
  both.peer.start();
  both.check_said(sentence);
  both.check_counted("interval");
  // Longer than what a single packet said is remembered.
  const auto is_gone = [&] { return both.warning().find(sentence) == std::string::npos; };
  CHECK_MESSAGE(!wait_until(is_gone, 8s, 50ms), both.warning());
}

TEST_CASE("a peer with other authentication is explained, and no password is told") {
  check_explained({.version = 2}, {.version = 2, .password = kV2Password}, "auth_type",
                  "10.77.0.22 sends a password, this host has none: set `v2_password_file` here or remove "
                  "`authentication` there");
  check_explained({.version = 2, .password = kV2Password}, {.version = 2}, "auth_type",
                  "10.77.0.22 sends no password, this host has one: remove `v2_password_file` here or set "
                  "auth_type PASS and auth_pass there");
  check_explained({.version = 2, .password = kV2Password}, {.version = 2, .password = "another"}, "password",
                  "10.77.0.22 sends another password than this host's: `v2_password_file` here and auth_pass "
                  "there must be the same");
}

TEST_CASE("a peer with the old form of the checksum is explained") {
  check_explained({}, {.old_checksum = true}, "checksum",
                  "10.77.0.22 sends by unicast with the checksum for 224.0.0.18, as keepalived does up to "
                  "1.3.6: upgrade it, or set `old_unicast_checksum never` there");
}

TEST_CASE("a peer that claims the address with another VRID is explained") {
  check_explained(
      {.is_multicast = true}, {.is_multicast = true, .vrid = 101, .address = 100}, "vrid",
      "10.77.0.22 advertises 10.77.0.100 with VRID 101, this host with 100, which must be the same: "
      "set `virtual_router_id: 101` here or virtual_router_id 100 there");
}

TEST_CASE("a peer with other addresses is followed, and explained") {
  Misunderstanding both({}, {.address = 101});
  both.peer.start();
  both.check_said(
      "10.77.0.22 does not advertise 10.77.0.100, which this host does, and advertises 10.77.0.101, which "
      "this host does not: set the same `addresses` here and virtual_ipaddress there, keepalived 2.2.7 "
      "ignores this host's advertisements until then");
  CHECK(wait_until([&] { return !both.vipward.holds_any(); }, kLimit));
}

TEST_CASE("a peer whose packets have not 255 hops left is explained") {
  Misunderstanding both({.addressing = Addressing::Ipv6}, {.addressing = Addressing::Ipv6});
  both.peer.start();
  both.lb2.set_hop_limit(64);
  both.check_said(
      "VRRP of fd77::22 arrives with hop limit 64, not 255: keepalived 2.2.7 sends the kernel's default by "
      "unicast, set `sysctl net.ipv6.conf.IFACE.hop_limit=255` on its host");
  both.check_counted("ttl");
}

TEST_CASE("a peer that is filtered, and seen by its claims alone, is explained") {
  Misunderstanding both({.is_multicast = true}, {.is_multicast = true});
  both.lb2.drop_protocol(112);
  both.peer.start();
  both.check_said(
      " as well, but no VRRP of its host arrives here: if it is none of these routers, give it another "
      "address; else protocol 112 is filtered, or the switch does not forward the group 224.0.0.18 (IGMP "
      "snooping), use `peers` then");
  both.check_contested();
}

TEST_CASE("a peer that does not hear this host is explained") {
  Misunderstanding both({}, {}, 50);
  both.lb1.drop_protocol(112);
  both.peer.start();
  both.check_said(
      "10.77.0.22 is active as well: it does not hear this host, look for a packet filter that stops "
      "protocol 112");
  both.check_contested();
}

}  // namespace
}  // namespace vipward::test
