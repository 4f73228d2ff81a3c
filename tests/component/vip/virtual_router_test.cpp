// A VirtualRouter replaced by one that is made from its memory and its socket, with the same configuration.
#include "lb/vip/virtual_router.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>

#include "tests/component/vip/router_bench.h"

namespace vipward::test {
namespace {

bool is_readable(int fd) {
  pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&wait, 1, 5000) == 1;
}

TEST_CASE("an active router that is replaced stays active, and its address never leaves the interface") {
  RouterBench bench;
  bench.become_active();
  REQUIRE(bench.hears(3));
  const VipReport before = bench.router->report();
  for (int round = 0; round < 5; ++round) {
    bench.come_back(bench.leave());
    CHECK(bench.router->state() == VipState::Active);
    REQUIRE(bench.hears(2));
  }
  CHECK(bench.is_on(bench.vip));
  CHECK_FALSE(bench.was_gone(bench.vip));
  CHECK(bench.record() == "10.77.0.100 eth0\n");
  CHECK(bench.given_up == 0);
  CHECK(bench.unconfigured.empty());
  CHECK(std::ranges::none_of(bench.heard, [](const Advertisement& one) { return one.priority == 0; }));

  const VipReport after = bench.router->report();
  CHECK(after.since == before.since);
  CHECK(after.reason == before.reason);
  CHECK(after.interface == "eth0");
  CHECK(after.counters.transitions == before.counters.transitions);
  CHECK(after.counters.advertisements_sent >= before.counters.advertisements_sent + 10);
  CHECK(after.counters.restored == 0);
  CHECK_FALSE(after.contested);
  CHECK(after.warning.empty());
}

TEST_CASE("the last word before an image goes asks for patience, the first one of the next takes it back") {
  RouterBench bench;
  bench.become_active();
  REQUIRE(bench.hears(2));
  auto left = bench.leave();
  REQUIRE(bench.run_until([&] { return bench.heard.back().interval == 200ms; }));
  const std::size_t before = bench.heard.size();
  bench.come_back(std::move(left));
  REQUIRE(bench.run_until([&] { return bench.heard.size() > before; }));
  CHECK(bench.heard.at(before).interval == 100ms);
}

TEST_CASE("an image that cannot be replaced goes on as if nothing was") {
  RouterBench bench;
  bench.become_active();
  const int fd = bench.router->vrrp_fd();
  bench.router->prepare_to_leave();
  CHECK(bench.router->memory().instance.state == VipState::Active);
  REQUIRE(bench.hears(3));
  CHECK(bench.heard.back().interval == 100ms);
  CHECK(bench.router->vrrp_fd() == fd);
  CHECK(bench.router->state() == VipState::Active);
  CHECK(bench.entered(VipState::Active) == 1);
  CHECK_FALSE(bench.was_gone(bench.vip));
}

TEST_CASE("a claim that came in meanwhile is heard before anything is said") {
  RouterBench bench;
  bench.become_active();
  auto left = bench.leave();
  bench.say(200);
  REQUIRE(is_readable(left.vrrp_socket.get()));
  const std::uint64_t sent = left.memory.counters.advertisements_sent;
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Backup);
  CHECK(bench.router->report().reason ==
        bench.peer.address().to_string() + " goes first, by priority or by address");
  // The one word to the winner, which claims nothing.
  CHECK(bench.router->report().counters.advertisements_sent == sent + 1);
  REQUIRE(bench.run_until(
      [&] { return !bench.heard.empty() && bench.heard.back().priority == kReluctantPriority; }));
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK(bench.given_up == 1);
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));
}

TEST_CASE("an image that comes up later than the peer waits has lost the address, and says nothing") {
  RouterBench bench;
  bench.become_active();
  auto left = bench.leave();
  // As if it had been sent so long ago: three intervals of what was told.
  left.memory.instance.last_sent -= 600ms;
  const std::uint64_t sent = left.memory.counters.advertisements_sent;
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Backup);
  CHECK(bench.router->report().reason == "this host stood still for longer than the peer waits");
  CHECK(bench.router->report().counters.advertisements_sent == sent);
  CHECK_FALSE(bench.is_on(bench.vip));
}

TEST_CASE("a backup that is replaced stays one, with what it has heard") {
  RouterBench bench;
  bench.become_backup();
  const VipMemory before = bench.router->memory();
  for (int round = 0; round < 3; ++round) bench.come_back(bench.leave());
  CHECK(bench.router->state() == VipState::Backup);
  CHECK(bench.router->memory().instance == before.instance);
  CHECK(bench.router->report().peer == bench.peer.address());
  CHECK(bench.router->report().peer_heard_at == before.peer_heard_at);
  CHECK(bench.router->report().counters.advertisements_received == 1);
  CHECK(bench.router->claimed_since(before.instance.last_heard->at).has_value());
  CHECK_FALSE(bench.is_on(bench.vip));
  CHECK_FALSE(std::filesystem::exists(bench.folder.file("state")));

  SUBCASE("and takes over when the peer falls silent") {
    CHECK(bench.run_until([&] { return bench.router->state() == VipState::Active; }));
    CHECK(bench.is_on(bench.vip));
  }
  SUBCASE("and at once when the peer lets go meanwhile") {
    auto left = bench.leave();
    bench.say(0);
    REQUIRE(is_readable(left.vrrp_socket.get()));
    bench.come_back(std::move(left));
    CHECK(bench.router->state() == VipState::Active);
    CHECK(bench.is_on(bench.vip));
  }
}

TEST_CASE("announcements of a take-over that are still due go on, and none is made twice") {
  RouterBench bench;
  bench.become_active();
  bench.come_back(bench.leave());
  bench.come_back(bench.leave());
  CHECK(bench.announced() < kAnnounceOffsets.size());
  REQUIRE(bench.run_until([&] { return bench.announced() >= kAnnounceOffsets.size(); }));
  CHECK(bench.announced() == kAnnounceOffsets.size());
  CHECK(bench.router->memory().announcing.round == kAnnounceOffsets.size());
}

TEST_CASE("an address that somebody removed meanwhile is put back and counted") {
  RouterBench bench;
  bench.become_active();
  auto left = bench.leave();
  bench.holder.remove_address(bench.vip);
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Active);
  CHECK(bench.is_on(bench.vip));
  CHECK(bench.router->report().counters.restored == 1);
}

TEST_CASE("an interface that vanished meanwhile is a fault, and no reason to end") {
  RouterBench bench;
  bench.become_active();
  auto left = bench.leave();
  run_ok(bench.holder, {"ip", "link", "del", "eth0"});
  bench.come_back(std::move(left));
  CHECK(bench.router->state() == VipState::Fault);
  CHECK(bench.router->report().reason == "interface eth0 is not there");
  CHECK(bench.given_up == 1);
}

TEST_CASE("a release that is under way is told to the end before the image goes") {
  RouterBench bench;
  bench.become_active();
  bench.router->set_candidacy(Candidacy::None, "no proxy serves");
  REQUIRE_FALSE(bench.router->is_silent());
  auto left = bench.leave();
  const auto is_release = [](const Advertisement& one) { return one.priority == 0; };
  CHECK(bench.run_until([&] { return std::ranges::count_if(bench.heard, is_release) == 2; }));
  bench.make_router(std::move(left));
  bench.router->go_on();
  CHECK(bench.router->is_silent());
  CHECK(bench.router->state() == VipState::Fault);
  // Nobody has said otherwise yet.
  CHECK(bench.router->report().reason == "no proxy serves");
}

TEST_CASE("candidacy that is said before the first turn changes nothing until then") {
  RouterBench bench;
  bench.become_active();
  bench.make_router(bench.leave());
  bench.router->set_candidacy(Candidacy::None, "no proxy serves");
  CHECK(bench.router->state() == VipState::Active);
  CHECK(bench.is_on(bench.vip));
  bench.router->go_on();
  CHECK(bench.router->state() == VipState::Fault);
  CHECK_FALSE(bench.is_on(bench.vip));
}

}  // namespace
}  // namespace vipward::test
