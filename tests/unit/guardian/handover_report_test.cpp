// What the client of a reload is told, and when.
#include "lb/guardian/handover_report.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <array>

namespace vipward {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kAsked{1000s};

// A reload of generation 2 by 3, whose client waits.
class Asked {
 public:
  explicit Asked(SuccessionKind kind = SuccessionKind::Reload, std::vector<std::string> changes = {}) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client_.reset(ends[0]);
    report_.emplace(log_,
                    HandoverReport::Begun{.kind = kind,
                                          .reply = ends[1],
                                          .asked_at = kAsked,
                                          .committed_at = kAsked + 100ms,
                                          .predecessor = 2,
                                          .successor = 3,
                                          .from_version = "0.1.0 (a)",
                                          .changes = std::move(changes)},
                    "0.2.0 (b)");
  }

  HandoverReport& report() { return *report_; }
  // What it has been told by now.
  std::string answer() const {
    std::array<char, 4096> text{};
    const ssize_t size = recv(client_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "";
  }

 private:
  Fd null_{open("/dev/null", O_WRONLY | O_CLOEXEC)};
  Log log_{{.fd = null_.get()}};
  Fd client_;
  std::optional<HandoverReport> report_;
};

TEST_CASE("it is answered when the predecessor has gone and its sessions have come") {
  Asked asked;
  CHECK_FALSE(asked.report().conclude(kAsked + 100ms));
  asked.report().on_inherited(412, 3200us);
  CHECK_FALSE(asked.report().conclude(kAsked + 150ms));
  CHECK(asked.answer().empty());
  asked.report().on_predecessor_ended(true);
  CHECK(asked.report().conclude(kAsked + 160ms));
  CHECK(asked.answer() ==
        "ok reloaded: generation 3 serves, 412 sessions moved, longest stall 3.2 ms\n"
        "the configuration is the same\n");
}

TEST_CASE("an upgrade says from what to what, and every change is named") {
  Asked asked(SuccessionKind::Upgrade, {"api: backend master-4 added", "log.level: info -> debug"});
  asked.report().on_inherited(1, 1ms);
  asked.report().on_predecessor_ended(true);
  CHECK(asked.report().conclude(kAsked + 1s));
  CHECK(
      asked.answer() ==
      "ok upgraded from 0.1.0 (a) to 0.2.0 (b): generation 3 serves, 1 session moved, longest stall 1.0 ms\n"
      "api: backend master-4 added\nlog.level: info -> debug\n");
}

TEST_CASE("a predecessor that dies in the middle is said") {
  Asked asked;
  asked.report().on_predecessor_ended(false);
  asked.report().on_inherited(0, 0ms);
  CHECK(asked.report().conclude(kAsked + 1s));
  CHECK(asked.answer() ==
        "ok reloaded: generation 3 serves, 0 sessions moved\n"
        "the configuration is the same\n"
        "generation 2 died before it had handed over everything, what it still had was reset\n");
}

TEST_CASE("several links to one successor add up") {
  Asked asked;
  asked.report().on_serving(3);
  asked.report().on_inherited(10, 5ms);
  asked.report().on_inherited(3, 2ms);
  asked.report().on_predecessor_ended(true);
  CHECK(asked.report().conclude(kAsked + 1s));
  CHECK(asked.answer() ==
        "ok reloaded: generation 3 serves, 13 sessions moved, longest stall 5.0 ms\n"
        "the configuration is the same\n");
}

TEST_CASE("a successor that died took what had moved with it, and the next one is the one that serves") {
  Asked asked;
  asked.report().on_serving(3);
  asked.report().on_inherited(10, 5ms);
  asked.report().on_successor_ended();
  asked.report().on_predecessor_ended(true);
  CHECK_FALSE(asked.report().conclude(kAsked + 1s));
  asked.report().on_serving(4);
  asked.report().on_inherited(3, 2ms);
  CHECK(asked.report().conclude(kAsked + 1s));
  CHECK(asked.answer() ==
        "ok reloaded: generation 4 serves, 3 sessions moved, longest stall 2.0 ms\n"
        "the configuration is the same\n"
        "1 successor died meanwhile, and reset 10 sessions that had moved and their new clients\n");
}

TEST_CASE("one that died before it could tell what had moved, and nobody in its place in time") {
  Asked asked;
  asked.report().on_successor_ended();
  asked.report().on_serving(4);
  asked.report().on_successor_ended();
  asked.report().on_handed_over(7);
  CHECK_FALSE(asked.report().conclude(kAsked + HandoverReport::kLongestWait));
  CHECK(asked.answer() ==
        "ok reloaded: generation 4 died, the next one is being started, 0 sessions moved\n"
        "the configuration is the same\ngeneration 2 still serves 7 sessions and goes on handing over\n"
        "2 successors died meanwhile, and reset what had moved and their new clients\n");
}

TEST_CASE("a client waits no longer than its time, the handover goes on") {
  Asked asked;
  CHECK(asked.report().next_deadline() == kAsked + HandoverReport::kLongestWait);
  asked.report().on_handed_over(12);
  CHECK_FALSE(asked.report().conclude(kAsked + HandoverReport::kLongestWait));
  CHECK(asked.answer() ==
        "ok reloaded: generation 3 serves, 0 sessions moved\n"
        "the configuration is the same\ngeneration 2 still serves 12 sessions and goes on handing over\n");
  CHECK_FALSE(asked.report().next_deadline());
  CHECK_FALSE(asked.report().lent().reply);
  asked.report().on_inherited(12, 1ms);
  asked.report().on_predecessor_ended(true);
  CHECK(asked.report().conclude(kAsked + 1h));
}

}  // namespace
}  // namespace vipward
