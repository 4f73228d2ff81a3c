// The predecessor's end alone, its owner played: what arrives in an order that workers seldom produce.
#include "lb/handover/sender.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <optional>
#include <thread>

#include "lb/net/socket.h"
#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"

namespace vipward::test {
namespace {

using handover::Sender;

std::vector<SessionRecord> one_session() {
  std::vector<SessionRecord> sessions(1);
  sessions.front().client.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  return sessions;
}

// The workers were asked for more, and had nothing left, before a batch came back to them.
TEST_CASE("an answer from before a batch was given back does not end the handover without it") {
  Loop loop;
  Link link;
  std::vector<SessionRecord> ours = one_session();
  unsigned fetches = 0;
  bool asked_before_the_refusal = false;
  std::optional<std::uint32_t> moved;
  std::optional<Sender> sender;
  const auto deliver_ours = [&] {
    loop.post([&] { sender->deliver({.sessions = std::exchange(ours, {}), .was_last = true}); });
  };
  sender.emplace(loop, std::move(link.predecessor), std::vector<handover::KnownBackend>{}, 1,
                 Sender::Hooks{.counts = [] { return std::vector<handover::Counts>(1); },
                               .fetch =
                                   [&](std::size_t) {
                                     // The second one is answered when the batch has come back.
                                     if (++fetches != 2 || !ours.empty()) return deliver_ours();
                                     asked_before_the_refusal = true;
                                   },
                               .give_back =
                                   [&](std::vector<SessionRecord> sessions) {
                                     ours = std::move(sessions);
                                     if (!asked_before_the_refusal) return;
                                     loop.post([&] { sender->deliver({.sessions = {}, .was_last = true}); });
                                   },
                               .on_ended =
                                   [&](std::uint32_t count) {
                                     moved = count;
                                     loop.stop();
                                   }});
  std::thread successor([end = LinkEnd(std::move(link.successor))]() mutable {
    bool refuses = true;
    while (auto message = end.hear_predecessor()) {
      const auto* of = std::get_if<handover::BatchEnd>(&*message);
      if (of != nullptr && std::exchange(refuses, false)) {
        end.say(handover::Refused{.batch = of->batch});
      } else if (of != nullptr) {
        end.say(handover::Taken{.batch = of->batch});
      }
      if (std::holds_alternative<handover::End>(*message)) break;
    }
  });
  loop.run();
  successor.join();
  CHECK(asked_before_the_refusal);
  CHECK(moved == 1U);
  CHECK(ours.empty());
  sender.reset();
}

TEST_CASE("a successor that neither reads nor answers is given up, and its sessions come back") {
  Loop loop;
  Link link;
  std::vector<SessionRecord> ours = one_session();
  std::optional<std::uint32_t> moved;
  std::optional<Sender> sender;
  sender.emplace(
      loop, std::move(link.predecessor), std::vector<handover::KnownBackend>{}, 1,
      Sender::Hooks{.counts = [] { return std::vector<handover::Counts>(1); },
                    .fetch =
                        [&](std::size_t) {
                          loop.post([&] {
                            sender->deliver({.sessions = std::exchange(ours, {}), .was_last = true});
                          });
                        },
                    .give_back = [&](std::vector<SessionRecord> back) { ours = std::move(back); },
                    .on_ended =
                        [&](std::uint32_t count) {
                          moved = count;
                          loop.stop();
                        }});
  const TimePoint start = loop.now();
  loop.run();
  CHECK(loop.now() - start >= Sender::kLongestSilence);
  CHECK(sender->was_given_up());
  CHECK(moved == 0U);
  CHECK(ours.size() == 1);
  CHECK(ours.front().client);
  sender.reset();
}

}  // namespace
}  // namespace vipward::test
