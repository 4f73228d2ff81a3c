// Whoever of the proxies dies in the middle of a reload of the holder: the VIP stays, or moves by its rules.
// A guardian that has replaced its own program must know neither less nor more of the VIP than before.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "tests/support/wait.h"
#include "tests/system/edge_pair.h"
#include "tests/system/guarded.h"
#include "tests/system/succession_moments.h"
#include "tests/system/vipward_edge.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// The product's own; a pause of a busy machine is no silence of the holder then.
constexpr auto kInterval = 200ms;
constexpr auto kCommandLimit = 70s;

enum class Victim : std::uint8_t { Old, New, Both };

// For how long both hosts had the address at most, by looking again and again.
class TwoHolders {
 public:
  explicit TwoHolders(const EdgePair& pair) : pair_(pair) {}
  void look() {
    const auto now = Clock::now();
    if (pair_.holders() < 2) return since_.reset();
    longest_ = std::max(longest_, now - *(since_ = since_.value_or(now)));
  }
  Clock::duration longest() const { return longest_; }

 private:
  const EdgePair& pair_;
  std::optional<Clock::time_point> since_;
  Clock::duration longest_{};
};

// Nobody but lb1 claims the address; or lb2 does from some moment on, and lb1 had let it go before.
bool is_legal(const EdgePair& pair, FrameTime since) {
  const std::vector<std::string> claims = pair.sniffer().claims(since);
  if (claims == std::vector<std::string>{"lb1"}) return true;
  if (claims != std::vector<std::string>{"lb1", "lb2"}) return false;
  const auto frames = pair.sniffer().advertisements(since);
  const auto is_claim_of_lb2 = [](const AdvertisementFrame& frame) {
    return frame.host == "lb2" && !frame.is_release();
  };
  return std::any_of(
      frames.begin(), std::ranges::find_if(frames, is_claim_of_lb2),
      [](const AdvertisementFrame& frame) { return frame.host == "lb1" && frame.is_release(); });
}

class InterruptedReload {
 public:
  InterruptedReload() {
    for (EdgeHost* host : {&pair_.lb1(), &pair_.lb2()}) host->settings().interval = kInterval;
    pair_.start(pair_.lb1());
    clients_ = pair_.connect_clients();
    began_ = FrameClock::now();
    connected_ = Clock::now();
  }

  void kill_at(Moment moment, Victim victim) {
    Awaited awaited(moment);
    const pid_t old = proxy_of(vipward());
    const SyscallSteps tracer({.parent = vipward().pid(),
                               .elder = old,
                               .younger_command = "proxy",
                               .numbers = {SYS_execveat, SYS_recvmsg, SYS_sendmsg},
                               .on_step = [&](const SyscallSteps::Step& step) {
                                 if (!awaited.is_it(step)) return;
                                 if (victim != Victim::New) kill(old, SIGKILL);
                                 if (victim != Victim::Old) kill(step.younger, SIGKILL);
                               }});
    Process reload = vipward().start_command({"reload"});
    CHECK(look_until([&] { return !reload.is_running(); }, kCommandLimit));
    CHECK(look_until([this] { return is_served_by_the_holder(); }, 5s));
    CHECK(awaited.is_over());
  }
  // As soon as there is a proxy again that could hand over.
  void reload_again() {
    std::string problem;
    const auto works = [&] {
      Process reload = vipward().start_command({"reload"});
      CHECK(look_until([&] { return !reload.is_running(); }, kCommandLimit));
      problem = reload.standard_error();
      return reload.wait(0ms) == 0 || problem.find("try again in a moment") == std::string::npos;
    };
    CHECK(look_until(works, 15s));
    CHECK_MESSAGE(problem.empty(), problem);
    CHECK(look_until([this] { return is_served_by_the_holder(); }, 5s));
  }
  void check() const {
    // An address is taken off before anybody else is told to take it: both have it only in one look, which
    // asks one after the other.
    CHECK(two_holders_.longest() < kInterval);
    std::string claims;
    for (const std::string& host : pair_.sniffer().claims(began_)) claims += host + " ";
    CHECK_MESSAGE(is_legal(pair_, began_), claims);
    // "No proxy serves within 250 ms": a slow machine may come to that.
    if (!has_stayed()) CHECK(pair_.logs().find(" to=fault cause=own_fault ") != std::string::npos);
    CHECK(clients().closed == 0);
  }
  bool has_stayed() const { return pair_.sniffer().claims(began_) == std::vector<std::string>{"lb1"}; }
  EstablishedClients::Tally clients() const { return clients_->tally_since(connected_); }

 private:
  Daemon& vipward() { return as_vipward(pair_.lb1()).daemon(); }
  bool is_served_by_the_holder() {
    if (pair_.holders() != 1) return false;
    EdgeHost& holder = pair_.lb1().holds_vip() ? pair_.lb1() : pair_.lb2();
    return pair_.served_by() == holder.host().address().to_string();
  }
  template <class Condition>
  bool look_until(Condition&& condition, std::chrono::milliseconds limit) {
    return wait_until(
        [&] {
          two_holders_.look();
          return condition();
        },
        limit, 2ms);
  }

  EdgePair pair_{Contender::Vipward};
  TwoHolders two_holders_{pair_};
  std::unique_ptr<EstablishedClients> clients_;
  FrameTime began_;
  Clock::time_point connected_;
};

void kill_in_reloads(Moment moment) {
  const std::array<std::string, 3> names{"the old proxy", "the new proxy", "both"};
  for (const Victim victim : {Victim::Old, Victim::New, Victim::Both}) {
    const std::string& name = names[static_cast<std::size_t>(victim)];
    CAPTURE(name);
    InterruptedReload reload;
    reload.kill_at(moment, victim);
    reload.reload_again();
    reload.check();
    // Whoever has not begun to serve is missed by nobody.
    if (moment == Moment::BeforeTheCommit && victim == Victim::New) {
      CHECK(reload.has_stayed());
      CHECK(reload.clients().reset == 0);
    }
    const std::string end = reload.has_stayed() ? " killed: the address has stayed, clients: "
                                                : " killed: the address has moved, clients: ";
    MESSAGE(name, end, to_string(reload.clients()));
  }
}

TEST_CASE("a proxy dies before the commit of the holder's reload: one holder at any moment, who serves") {
  kill_in_reloads(Moment::BeforeTheCommit);
}

TEST_CASE("a proxy dies at the commit of the holder's reload: one holder at any moment, who serves") {
  kill_in_reloads(Moment::AtTheCommit);
}

TEST_CASE("a proxy dies after the commit of the holder's reload: one holder at any moment, who serves") {
  kill_in_reloads(Moment::AfterTheCommit);
}

TEST_CASE("a proxy dies during the handover of the holder's reload: one holder at any moment, who serves") {
  kill_in_reloads(Moment::DuringTheHandover);
}

}  // namespace
}  // namespace vipward::test
