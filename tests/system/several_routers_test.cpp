// Three vipwards of one instance on one segment: whoever of them starts, ends or dies, exactly one holds the
// VIPs once it is settled. The ways of speaking run at the same time, each in a network of its own, as nearly
// all of it is waiting.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <future>
#include <stdexcept>

#include "tests/support/sniffer.h"
#include "tests/support/wait.h"
#include "tests/system/vrrp_router.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;

// Far more than any of it takes: a test of behaviour, not of speed.
constexpr Millis kLimit = 30s;
// That the holder says before it counts as settled: more than the others wait for one of them.
constexpr std::size_t kSettled = 5;

// Throws a text at the first thing that is not as it should be.
class Trio {
 public:
  Trio(const Speech& speech, std::array<int, 3> priorities) {
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      routers_.push_back(
          VrrpRouter::make(RouterKind::Vipward, {hosts_[i], hosts_, speech, priorities.at(i)}));
    }
  }

  VrrpRouter& operator[](std::size_t i) { return *routers_.at(i); }
  Sniffer& sniffer() { return sniffer_; }

  // Of those, one and no other router holds the VIPs, and goes on to; which.
  VrrpRouter& await_one_of(const char* what, const std::vector<VrrpRouter*>& candidates) {
    VrrpRouter* holder = nullptr;
    const auto is_settled = [&] {
      const auto found = std::ranges::find_if(candidates, [&](VrrpRouter* one) { return is_only(*one); });
      if (found == candidates.end()) return false;
      holder = *found;
      const FrameTime since = FrameClock::now();
      const auto has_spoken = [&] {
        return sniffer_.advertisements_of(holder->host(), since).size() >= kSettled;
      };
      return wait_until(has_spoken, kLimit) && is_only(*holder) &&
             sniffer_.claims(since) == std::vector{holder->host().name()};
    };
    if (!wait_until(is_settled, kLimit)) throw std::runtime_error(std::string("not so: ") + what);
    return *holder;
  }
  void await(const char* what, VrrpRouter& holder) { await_one_of(what, {&holder}); }
  void stop(VrrpRouter& router) {
    if (!router.stop()) throw std::runtime_error(router.host().name() + " does not end");
  }
  std::string logs() const {
    std::string text;
    for (const auto& one : routers_) text += "--- " + one->host().name() + ":\n" + one->log();
    return text;
  }

 private:
  bool is_only(const VrrpRouter& holder) const {
    return holder.holds_all() && std::ranges::none_of(routers_, [&](const auto& one) {
             return one.get() != &holder && one->holds_any();
           });
  }

  Network net_;
  std::vector<Host> hosts_{net_.host("lb1", 21), net_.host("lb2", 22), net_.host("lb3", 23)};
  Sniffer sniffer_{net_};
  std::vector<std::unique_ptr<VrrpRouter>> routers_;
};

void run_by_priority(Trio& trio) {
  VrrpRouter& strong = trio[0];
  VrrpRouter& middle = trio[1];
  VrrpRouter& weak = trio[2];
  weak.start();
  trio.await("the weakest, alone, becomes active", weak);
  middle.start();
  trio.await("the middle one preempts", middle);
  strong.start();
  trio.await("the strongest one preempts", strong);

  const FrameTime ended = FrameClock::now();
  trio.stop(strong);
  trio.await("the middle one takes over from one that ends", middle);
  const auto claims = trio.sniffer().claims(ended);
  if (std::ranges::find(claims, weak.host().name()) != claims.end()) {
    throw std::runtime_error("the weakest claimed the VIPs before the middle one");
  }

  middle.kill();
  trio.await("the weakest takes over from one that dies", weak);

  middle.start();
  strong.start();
  trio.await("the strongest is active when all are back", strong);
}

void run_as_equals(Trio& trio) {
  for (std::size_t i = 0; i < 3; ++i) trio[i].start();
  VrrpRouter& first =
      trio.await_one_of("one of three that start together is active", {&trio[0], &trio[1], &trio[2]});
  std::vector<VrrpRouter*> others;
  for (std::size_t i = 0; i < 3; ++i) {
    if (&trio[i] != &first) others.push_back(&trio[i]);
  }
  first.kill();
  VrrpRouter& second = trio.await_one_of("one of the other two takes over", others);
  first.start();
  trio.await_one_of("one is active when the third is back", {&first, &second});
}

struct Outcome {
  std::string speech;
  std::string problem;  // empty: all as it should be
};

void check(void (*run)(Trio&), std::array<int, 3> priorities, const std::vector<Speech>& speeches) {
  std::vector<std::future<Outcome>> running;
  for (const Speech& speech : speeches) {
    running.push_back(std::async(std::launch::async, [=]() -> Outcome {
      try {
        Trio trio(speech, priorities);
        try {
          run(trio);
        } catch (const std::exception& error) {
          return {speech.to_string(), error.what() + ("\n" + trio.logs())};
        }
      } catch (const std::exception& error) {
        return {speech.to_string(), error.what()};
      }
      return {speech.to_string(), ""};
    }));
  }
  for (auto& one : running) {
    const Outcome outcome = one.get();
    CHECK_MESSAGE(outcome.problem.empty(), outcome.speech, ": ", outcome.problem);
  }
}

// The priorities tell whose turn it is by their share of the interval: of a whole second, so that a busy
// machine does not turn it round.
std::vector<Speech> speeches(Millis interval) {
  return {{.is_multicast = false, .v3_interval = interval},
          {.is_multicast = true, .v3_interval = interval},
          {.is_multicast = true, .addressing = Addressing::Ipv6, .v3_interval = interval}};
}

TEST_CASE("of three routers the strongest that lives is active, whatever starts, ends or dies") {
  check(run_by_priority, {150, 100, 50}, speeches(1s));
}

TEST_CASE("of three routers of the same priority exactly one is active, and one of the others after it") {
  check(run_as_equals, {100, 100, 100}, speeches(200ms));
}

}  // namespace
}  // namespace vipward::test
