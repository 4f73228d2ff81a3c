// What a worker does in one turn of its loop, however much is there at once: its signs of life, its mailbox
// and its deadlines wait that long.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <future>
#include <utility>

#include "tests/component/proxy/crowd.h"

namespace vipward::test {
namespace {

constexpr std::size_t kSessions = 1500;
constexpr std::uint64_t kMostInOneTurn = SessionPoller::kBatch;

// Has `prepare` run by the worker, which sees nothing of it meanwhile; the most by which `count` grew in one
// turn of the loop until it has grown by `total`. A task is run once per turn, and posts the next one.
std::uint64_t most_in_one_turn(ProxyUnderTest& proxy, const std::function<void()>& prepare,
                               const std::function<std::uint64_t()>& count, std::uint64_t total) {
  std::promise<void> seen_all;
  const std::uint64_t target = count() + total;
  const TimePoint limit = Clock::now() + kPatience;
  std::uint64_t most = 0;
  std::uint64_t last = count();
  std::function<void()> look = [&] {
    const std::uint64_t now = count();
    most = std::max(most, now - std::exchange(last, now));
    if (now >= target || Clock::now() > limit) return seen_all.set_value();
    proxy.run_soon(look);
  };
  proxy.run_soon([&] {
    prepare();
    look();
  });
  seen_all.get_future().wait();
  CHECK(count() == target);
  return most;
}

TEST_CASE("when all clients speak at once, a turn of the loop takes on a batch of them") {
  REQUIRE(Crowd::raise_descriptor_limit(2 * kSessions));
  // Its kernel answers for it.
  const Backend backend;
  ProxyUnderTest proxy(service_with({backend.address()}));
  std::vector<Peer> clients;
  for (std::size_t i = 0; i < kSessions; ++i) clients.push_back(proxy.connect());
  REQUIRE(wait_until([&] { return proxy.sessions() == kSessions; }, kPatience));
  const auto all_speak = [&] {
    for (Peer& client : clients) client.send("x");
  };
  // First words: a connection for each.
  const auto attempts = [&] { return std::uint64_t{proxy.sessions_of(0)}; };
  CHECK(most_in_one_turn(proxy, all_speak, attempts, kSessions) <= kMostInOneTurn);
  const auto bytes = [&] { return proxy.backend(0).bytes_to_backend; };
  REQUIRE(wait_until([&] { return bytes() == kSessions; }, kPatience));
  // Later ones, small as they are.
  CHECK(most_in_one_turn(proxy, all_speak, bytes, kSessions) <= kMostInOneTurn);
  const auto all_leave = [&] {
    for (Peer& client : clients) client.reset();
  };
  const auto ends = [&] { return proxy.closed(); };
  CHECK(most_in_one_turn(proxy, all_leave, ends, kSessions) <= kMostInOneTurn);
}

}  // namespace
}  // namespace vipward::test
