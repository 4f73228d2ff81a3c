// Whatever the other end of a link says: the link ends, and this process serves on.
#include <doctest/doctest.h>

#include "lb/event/random.h"
#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

std::vector<std::uint8_t> nonsense(Random& random) {
  std::vector<std::uint8_t> bytes(1 + random.below(2000));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
  if (random.below(2) == 0) bytes[0] = 0xB8;
  if (bytes.size() > 2 && random.below(2) == 0) {
    bytes[1] = 1;
    bytes[2] = static_cast<std::uint8_t>(random.below(9));
  }
  return bytes;
}

TEST_CASE("a predecessor that speaks nonsense loses its successor, which serves new clients") {
  Random random(7);
  for (int i = 0; i < 20; ++i) {
    Listeners listeners;
    Backend backend;
    Side side(service_of({backend.address()}));
    Link link;
    LinkEnd predecessor(std::move(link.predecessor));
    side.take_over(std::move(link.successor), listeners);
    while (predecessor.say_bytes(nonsense(random))) {
    }
    REQUIRE(side.wait_inherited());
    Ends ends = open_session(listeners, backend);
    CHECK(works(ends));
  }
}

TEST_CASE("a successor that speaks nonsense gets no session") {
  Random random(8);
  Listeners listeners;
  Backend backend;
  Side side(service_of({backend.address()}));
  side.serve(listeners);
  auto sessions = open_sessions(listeners, backend, 3);
  for (int i = 0; i < 20; ++i) {
    Link link;
    LinkEnd successor(std::move(link.successor));
    side.hand_over(std::move(link.predecessor));
    REQUIRE(successor.say_bytes(nonsense(random)));
    REQUIRE(side.wait_moved());
    CHECK(side.moved() == 0U);
    for (Ends& ends : sessions) CHECK(works(ends));
  }
}

TEST_CASE("a successor that answers what it was not asked gets no session") {
  Listeners listeners;
  Backend backend;
  Side side(service_of({backend.address()}));
  side.serve(listeners);
  auto sessions = open_sessions(listeners, backend, 3);
  const std::vector<handover::ToPredecessor> lies{handover::Taken{.batch = 7}, handover::Refused{.batch = 7}};
  for (const handover::ToPredecessor& lie : lies) {
    Link link;
    LinkEnd successor(std::move(link.successor));
    side.hand_over(std::move(link.predecessor));
    REQUIRE(successor.say(lie));
    REQUIRE(side.wait_moved());
    CHECK(side.moved() == 0U);
    for (Ends& ends : sessions) CHECK(works(ends));
  }
}

TEST_CASE("messages out of turn end the link") {
  using namespace handover;
  std::vector<std::vector<ToSuccessor>> talks(7);
  talks[0].emplace_back(Sessions{.batch = 1, .sessions = {}});  // before Known
  talks[1].emplace_back(Known{});
  talks[1].emplace_back(Known{});
  talks[2].emplace_back(Known{});
  talks[2].emplace_back(handover::Backends{});
  talks[3].emplace_back(Known{});
  talks[3].emplace_back(Yours{.batch = 1});
  for (const std::size_t i : {4, 5, 6}) {
    talks[i].emplace_back(Known{});
    talks[i].emplace_back(Sessions{.batch = 1, .sessions = {}});
  }
  talks[4].emplace_back(Yours{.batch = 1});  // before it was taken
  talks[5].emplace_back(Sessions{.batch = 1, .sessions = {}});
  talks[6].emplace_back(Bytes{.batch = 1, .session = 0, .chunk = {}});  // of no session
  for (std::size_t i = 0; i < talks.size(); ++i) {
    CAPTURE(i);
    Listeners listeners;
    Side side(service_of({listeners.address()}));
    Link link;
    LinkEnd predecessor(std::move(link.predecessor));
    side.take_over(std::move(link.successor), listeners);
    for (const ToSuccessor& message : talks[i]) predecessor.say(message);
    CHECK(predecessor.wait_end());
    CHECK(side.wait_inherited());
  }
}

}  // namespace
}  // namespace vipward::test
