// Many sessions under load, from one proxy to the next and the next.
#include <doctest/doctest.h>

#include <deque>
#include <numeric>

#include "tests/component/handover/side.h"
#include "tests/support/traffic.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct Chain {
  TrafficBackend backend{*SocketAddress::parse("127.0.0.1:0")};
  Listeners listeners;
  std::deque<Side> sides;

  explicit Chain(std::size_t workers) { add(workers).serve(listeners); }
  Side& add(std::size_t workers) { return sides.emplace_back(service_of({backend.address()}), workers); }
  Side& now() { return sides.back(); }
  void hand_over_to(std::size_t workers) {
    Side& from = now();
    test::hand_over(from, add(workers), listeners);
    sides.pop_front();
  }
};

TEST_CASE("1,000 sessions go through six proxies, and nothing is lost, doubled or reordered") {
  Chain chain(1);
  TrafficClients clients(
      {.target = chain.listeners.address(), .bulk = 100, .request = 200, .idle = 650, .silent = 50});
  for (int i = 0; i < 5; ++i) {
    const std::uint64_t bytes = clients.tally().bytes;
    chain.hand_over_to(1);
    // 50 have said nothing: sessions that wait for their first byte.
    CHECK(chain.now().inherited()->sessions == 1000);
    CHECK(wait_until([&] { return clients.tally().bytes > bytes + 1024 * 1024; }, kPatience));
  }
  MESSAGE("longest stall ", chain.now().inherited()->longest_stall_us, " us at the last one");
  clients.speak_up();
  CHECK(clients.count_stuck(10s) == 0);
  const TrafficClients::Tally tally = clients.tally();
  CHECK(tally.alive == 1000);
  CHECK(tally.ended() == 0);
  CHECK(chain.backend.corrupt() == 0);
  CHECK(chain.now().sessions() == 1000);
}

TEST_CASE("two workers hand over to four and those to one, each with a fair share") {
  Chain chain(2);
  TrafficClients clients({.target = chain.listeners.address(), .bulk = 4, .request = 20, .idle = 76});
  chain.hand_over_to(4);
  const auto shares = chain.now().shares();
  CHECK(shares.size() == 4);
  CHECK(std::accumulate(shares.begin(), shares.end(), std::size_t{0}) == 100);
  for (const std::size_t share : shares) CHECK(share >= 15);
  chain.hand_over_to(1);
  CHECK(chain.now().shares() == std::vector<std::size_t>{100});
  chain.hand_over_to(2);
  CHECK(clients.count_stuck(10s) == 0);
  CHECK(clients.tally().alive == 100);
  CHECK(chain.backend.corrupt() == 0);
}

TEST_CASE("a proxy whose successor went serves on, and hands over to the next one") {
  Chain chain(1);
  TrafficClients clients({.target = chain.listeners.address(), .bulk = 4, .request = 20, .idle = 276});
  for (int i = 0; i < 3; ++i) {
    Link link;
    chain.now().hand_over(std::move(link.predecessor));
    link.successor.reset();
    REQUIRE(chain.now().wait_moved());
    CHECK(chain.now().moved() == 0U);
    CHECK(chain.now().sessions() == 300);
    CHECK(clients.count_stuck(10s) == 0);
  }
  chain.hand_over_to(1);
  CHECK(clients.count_stuck(10s) == 0);
  CHECK(clients.tally().alive == 300);
  CHECK(chain.backend.corrupt() == 0);
}

}  // namespace
}  // namespace vipward::test
