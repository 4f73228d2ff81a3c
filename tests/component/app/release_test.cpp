// The VIP at the proxy's end of the channel: held, released, and what is shown of it.
#include <doctest/doctest.h>

#include <deque>

#include "lb/net/socket.h"
#include "tests/component/app/app_under_test.h"
#include "tests/support/fake_server.h"
#include "tests/support/http_client.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

const IpAddress kVip = *IpAddress::parse("127.0.0.77");
const IpAddress kOtherVip = *IpAddress::parse("127.0.0.78");

FakeServer::Script answering() {
  return http_script([](const std::string&) { return http_response(200); });
}

AppConfig with_vips(const SocketAddress& backend, unsigned workers = 2) {
  return {.backends = {backend},
          .workers = workers,
          .vip = "{addresses: [127.0.0.77/8, 127.0.0.78/8], peers: [127.0.0.9]}",
          .listen = "0.0.0.0"};
}

channel::GuardianStatus status(channel::VipState state) {
  channel::GuardianStatus status;
  status.vip.emplace();
  status.vip->virtual_router_id = 77;
  status.vip->priority = 100;
  status.vip->state = state;
  status.vip->addresses = {"127.0.0.77/8", "127.0.0.78/8"};
  status.vip->rejected = {{"ttl", 3}};
  status.vip->transitions[static_cast<std::size_t>(state)] = 1;
  return status;
}

class Bench {
 public:
  explicit Bench(unsigned workers = 2)
      : backend_({}, answering()), app_(with_vips(backend_.address(), workers)) {}

  AppUnderTest& app() { return app_; }
  SocketAddress by(const IpAddress& address) const { return {address, app_.address().port()}; }
  bool is_served_by(const IpAddress& address) const {
    return http_get({.address = by(address)}, "/").is_ok();
  }
  // Releases; how many sessions the proxy says it has reset.
  std::uint32_t release(std::vector<std::string> unconfigured = {}) {
    const std::size_t before = app_.guardian().heard<channel::SessionsReset>().size();
    app_.guardian().send(channel::VipReleased{.unconfigured = std::move(unconfigured)});
    REQUIRE(wait_until([&] { return app_.guardian().heard<channel::SessionsReset>().size() > before; },
                       kPatience));
    return app_.guardian().heard<channel::SessionsReset>().back().count;
  }

 private:
  FakeServer backend_;
  AppUnderTest app_;
};

TEST_CASE(
    "a release resets who came by way of a VIP, silent ones too, and counts them; all others are kept") {
  Bench bench;
  std::deque<HttpClient> by_vip;
  std::deque<HttpClient> by_own;
  for (int i = 0; i < 40; ++i) {
    HttpClient& client =
        by_vip.emplace_back(HttpClient::Options{.address = bench.by(i % 2 ? kVip : kOtherVip)});
    REQUIRE(client.connect() == ClientError::None);
    if (i % 4 < 2) REQUIRE(client.get("/").is_ok());
    REQUIRE(by_own.emplace_back(HttpClient::Options{.address = bench.app().address()}).get("/").is_ok());
  }
  // Those that are silent have been accepted, or are reset at that.
  const std::uint32_t count = bench.release();
  CHECK(count <= 40);
  CHECK(count >= 20);
  for (HttpClient& client : by_vip) CHECK(client.wait_for_end(kPatience) == ClientError::Reset);
  for (HttpClient& client : by_own) CHECK(client.get("/").is_ok());
  CHECK(bench.app().log().wait_for("released, clients of the virtual address are reset connections=" +
                                   std::to_string(count)));
  CHECK(bench.app().log().count("reason=vip_released") >= 40);
}

TEST_CASE("after a release nobody gets in by way of a VIP until it is held again") {
  Bench bench;
  // Nothing has been said yet: a proxy that takes a dead one's place finds clients waiting.
  CHECK(bench.is_served_by(kVip));
  bench.release();
  for (int i = 0; i < 16; ++i) CHECK(http_get({.address = bench.by(kVip)}, "/").error == ClientError::Reset);
  CHECK(bench.is_served_by(*IpAddress::parse("127.0.0.1")));
  bench.app().guardian().send(status(channel::VipState::Active));
  CHECK(wait_until([&] { return bench.is_served_by(kVip); }, kPatience));
  for (int i = 0; i < 16; ++i) CHECK(bench.is_served_by(kOtherVip));
}

TEST_CASE(
    "of a VIP that is no longer configured everybody is reset, for good; the other one is not touched") {
  Bench bench;
  bench.app().guardian().send(status(channel::VipState::Active));
  std::deque<HttpClient> gone;
  std::deque<HttpClient> kept;
  for (int i = 0; i < 10; ++i) {
    REQUIRE(gone.emplace_back(HttpClient::Options{.address = bench.by(kOtherVip)}).get("/").is_ok());
    REQUIRE(kept.emplace_back(HttpClient::Options{.address = bench.by(kVip)}).get("/").is_ok());
    REQUIRE(kept.emplace_back(HttpClient::Options{.address = bench.app().address()}).get("/").is_ok());
  }
  CHECK(bench.release({kOtherVip.to_string()}) == 10);
  for (HttpClient& client : gone) CHECK(client.wait_for_end(kPatience) == ClientError::Reset);
  for (HttpClient& client : kept) CHECK(client.get("/").is_ok());
  CHECK(bench.app().log().count("reason=vip_released") == 10);
  const auto check_newcomers = [&] {
    for (int i = 0; i < 8; ++i) {
      CHECK(http_get({.address = bench.by(kOtherVip)}, "/").error == ClientError::Reset);
      CHECK(bench.is_served_by(kVip));
    }
  };
  check_newcomers();
  // What is said of those that are configured brings it back as little as their release and return.
  bench.app().guardian().send(status(channel::VipState::Active));
  check_newcomers();
  bench.release();
  CHECK(http_get({.address = bench.by(kVip)}, "/").error == ClientError::Reset);
  bench.app().guardian().send(status(channel::VipState::Active));
  CHECK(wait_until([&] { return bench.is_served_by(kVip); }, kPatience));
  check_newcomers();
}

TEST_CASE("while the host stands by whoever comes by way of a VIP is reset") {
  Bench bench(1);
  for (const channel::VipState state :
       {channel::VipState::Init, channel::VipState::Backup, channel::VipState::Fault}) {
    CAPTURE(to_string(state));
    bench.app().guardian().send(status(channel::VipState::Active));
    CHECK(wait_until([&] { return bench.is_served_by(kVip); }, kPatience));
    bench.app().guardian().send(status(state));
    CHECK(wait_until([&] { return http_get({.address = bench.by(kVip)}, "/").error == ClientError::Reset; },
                     kPatience));
    CHECK(bench.is_served_by(*IpAddress::parse("127.0.0.1")));
  }
}

TEST_CASE("the admin pages show what the guardian says of itself and of the VIP") {
  Bench bench;
  const auto page = [&](const std::string& path) {
    return http_get({.address = bench.app().admin_address()}, path).body;
  };
  CHECK(page("/api/v1/status").find("\"vip\": null") != std::string::npos);
  channel::GuardianStatus told = status(channel::VipState::Backup);
  told.proxy_restarts = 2;
  told.vip->reason = "heard 127.0.0.9";
  bench.app().guardian().send(std::move(told));
  CHECK(wait_until([&] { return page("/api/v1/status").find("\"state\": \"backup\"") != std::string::npos; },
                   kPatience));
  CHECK(page("/api/v1/status").find("\"reason\": \"heard 127.0.0.9\"") != std::string::npos);
  const std::string metrics = page("/metrics");
  for (const char* line :
       {"vipward_proxy_restarts_total 2\n", "vipward_vip_state{vrid=\"77\",state=\"backup\"} 1\n",
        "vipward_vip_transitions_total{vrid=\"77\",to=\"backup\"} 1\n",
        "vipward_vrrp_packets_rejected_total{vrid=\"77\",reason=\"ttl\"} 3\n",
        "vipward_loop_lag_seconds_count{loop=\"guardian\"} 0\n", "vipward_generation 1\n"}) {
    CAPTURE(line);
    CHECK(metrics.find(line) != std::string::npos);
  }
}

}  // namespace
}  // namespace vipward::test
