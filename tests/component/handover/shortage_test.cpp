// Descriptors run out in the middle of a handover: slower, never lost. In a process of their own, as another
// user: root may pass as many descriptors as it likes (unix(7), ETOOMANYREFS).
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "tests/component/handover/link_end.h"
#include "tests/component/handover/side.h"
#include "tests/support/descriptor_limit.h"
#include "tests/support/wait.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

struct Bench {
  Listeners listeners;
  Backend backend;
  Side first{service_of({backend.address()})};
  std::vector<Ends> sessions;

  explicit Bench(std::size_t count) {
    first.serve(listeners);
    for (std::size_t i = 0; i < count; ++i) {
      Ends& ends = sessions.emplace_back();
      ends.client = listeners.connect();
      ends.client.send("x");
      ends.backend = backend.accept();
      if (ends.backend.receive(1) != "x") throw std::runtime_error("no session");
    }
  }
  bool all_work() {
    return std::ranges::all_of(sessions, [](Ends& ends) { return works(ends); });
  }
};

// The first batch is in flight, the second one has to wait until the successor reads.
std::string too_many_in_flight() {
  Bench bench(200);
  Link link;
  LinkEnd successor(std::move(link.successor));
  const PassingProbe probe;
  set_descriptor_limit(50);
  bench.first.hand_over(std::move(link.predecessor));
  if (!wait_until([&] { return bench.first.sessions() == 40; }, kPatience)) return "no two batches";
  if (!wait_until([&] { return probe.is_refused(); }, kPatience)) return "the limit does not bite";
  set_descriptor_limit(4096);
  std::size_t batches = 0;
  std::vector<handover::SessionState> held;
  while (auto message = successor.hear_predecessor()) {
    if (auto* batch = std::get_if<handover::Sessions>(&*message)) {
      ++batches;
      std::ranges::move(batch->sessions, std::back_inserter(held));
    }
    if (auto* end = std::get_if<handover::BatchEnd>(&*message))
      successor.say(handover::Taken{.batch = end->batch});
    if (std::holds_alternative<handover::End>(*message)) break;
  }
  if (batches < 3 || held.size() != 200) return "not every session arrived";
  if (!bench.first.wait_moved() || bench.first.moved() != 200U) return "it did not end";
  return "";
}

TEST_CASE("descriptors in flight beyond the limit wait for the receiver") {
  CHECK(problem_as_nobody([] { return too_many_in_flight(); }) == "");
}

// The receiver has room for some of the sessions, and later for all.
std::string limit_in_the_middle() {
  Bench bench(100);
  Side second(service_of({bench.backend.address()}));
  Link link;
  second.take_over(std::move(link.successor), bench.listeners);
  set_descriptor_limit(limit_with_room(getpid(), 60));
  bench.first.hand_over(std::move(link.predecessor));
  if (!wait_until([&] { return second.sessions() > 0; }, kPatience)) return "not one fitted";
  if (!bench.all_work()) return "a session was lost while there was no room";
  set_descriptor_limit(4096);
  if (!bench.first.wait_moved()) return "it never ended";
  if (bench.first.moved() != 100U) return "not all of them were moved";
  return bench.all_work() ? "" : "a session was lost";
}

TEST_CASE("a receiver without room refuses, and gets the sessions later, smaller batches first") {
  CHECK(problem_as_nobody([] { return limit_in_the_middle(); }) == "");
}

}  // namespace
}  // namespace vipward::test
