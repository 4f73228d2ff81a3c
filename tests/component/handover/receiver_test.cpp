// The successor's end alone: everything that its predecessor says is in the link before it reads the first
// word.
#include "lb/handover/receiver.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"

namespace vipward::test {
namespace {

using namespace handover;

SessionState waiting_session(std::uint32_t unsent_bytes) {
  SessionState session;
  session.client.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  session.client_address = "10.0.0.7:51514";
  session.own_address = "0.0.0.0:0";
  session.to_backend.unsent_bytes = unsent_bytes;
  return session;
}

ToSuccessor batch(std::uint32_t number, std::uint32_t unsent_bytes = 0) {
  Sessions message{.batch = number, .sessions = {}};
  message.sessions.push_back(waiting_session(unsent_bytes));
  return message;
}

// How many sessions become the successor's.
std::size_t received(const std::vector<ToSuccessor>& said, bool dies) {
  Loop loop;
  Link link;
  LinkEnd predecessor(std::move(link.predecessor));
  for (const ToSuccessor& message : said) REQUIRE(predecessor.say(message));
  if (dies) predecessor.go();
  std::size_t sessions = 0;
  Receiver receiver(loop, std::move(link.successor),
                    {.on_known = [](const KnownBackend&) { return Receiver::Place{.service = 0}; },
                     .on_counts = [](const Counts&) {},
                     .on_all_known = [](std::uint32_t) {},
                     .on_sessions = [&](const std::vector<SessionRecord>& of) { sessions += of.size(); },
                     .on_ended = [&] { loop.stop(); }});
  loop.run();
  return sessions;
}

TEST_CASE("a batch that was given is the successor's, whatever stands before that in the link") {
  std::vector<ToSuccessor> said;
  said.emplace_back(Backends{.backends = {KnownBackend{}}});
  said.emplace_back(Known{.sessions = 2});
  said.push_back(batch(1));
  said.emplace_back(BatchEnd{.batch = 1});
  bool dies = false;
  SUBCASE("the end of the next batch, whose answer finds nobody") {
    said.push_back(batch(2));
    said.emplace_back(BatchEnd{.batch = 2});
    dies = true;
  }
  SUBCASE("a batch that is not whole") {
    said.push_back(batch(2, 4));
    said.emplace_back(BatchEnd{.batch = 2});
  }
  SUBCASE("more bytes than were announced") {
    said.push_back(batch(2, 1));
    said.emplace_back(Bytes{.batch = 2, .chunk = {std::byte{1}, std::byte{2}}});
  }
  said.emplace_back(Yours{.batch = 1});
  said.emplace_back(Yours{.batch = 2});
  // Only what had been taken before.
  CHECK(received(said, dies) == (dies ? 2U : 1U));
}

TEST_CASE("nothing but that is believed after nonsense") {
  std::vector<ToSuccessor> said;
  said.emplace_back(Backends{.backends = {KnownBackend{}}});
  said.emplace_back(Known{});
  said.emplace_back(Known{});
  said.push_back(batch(1));
  said.emplace_back(BatchEnd{.batch = 1});
  said.emplace_back(Yours{.batch = 1});
  CHECK(received(said, true) == 0);
}

}  // namespace
}  // namespace vipward::test
