// Descriptors run out, or the link is full, in the middle of a reload: slower, never lost. Limits are soft
// ones, lowered and raised again from outside while the processes run.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>

#include "tests/support/descriptor_limit.h"
#include "tests/support/syscall_steps.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/served_folder.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Who = SyscallSteps::Who;
using Step = SyscallSteps::Step;

// Sessions of every kind, and what must be true of them and of vipward after a reload that was short of
// something.
class Crowd {
 public:
  Crowd(ServedFolder& vipward, const TrafficClients::Options& options)
      : vipward_(vipward), clients_(options), size_(clients_.tally().alive) {}

  TrafficClients& clients() { return clients_; }
  void check_served() {
    CHECK(clients_.count_stuck(20s) == 0);
    CHECK_MESSAGE(clients_.tally().alive == size_, vipward_.log());
  }
  // Nobody was lost, nothing broke on the way, no backend is to blame, and the next reload has all it needs.
  void check_moved() {
    CHECK(children_of(vipward_.guardian()).size() == 1);
    CHECK(vipward_.metric("vipward_proxy_restarts_total") == 0);
    CHECK(count("link between the generations broke") == 0);
    CHECK(count("backend state changed .*from=ready") == 0);
    check_served();
    CHECK(vipward_.backend(0).corrupt() + vipward_.backend(1).corrupt() == 0);
    vipward_.must({"reload"});
    check_served();
  }
  std::size_t count(const std::string& line) const { return vipward_.process().count_lines(line); }

 private:
  ServedFolder& vipward_;
  TrafficClients clients_;
  unsigned size_;
};

// Steps of the next proxy once the reload is committed.
class Successor {
 public:
  // `on_step`: before it receives something, on the tracer's thread.
  Successor(const ServedFolder& vipward, std::function<void(const Step&)> on_step)
      : on_step_(std::move(on_step)),
        tracer_({.parent = vipward.guardian(),
                 .younger_command = "proxy",
                 .numbers = {SYS_execveat, SYS_recvmsg},
                 .on_step = [this](const Step& step) { look(step); }}) {}
  // It runs as if nobody looked.
  void let_go() { tracer_.stop(); }

 private:
  void look(const Step& step) {
    executed_ = executed_ || (step.who == Who::Parent && step.number == SYS_execveat);
    if (executed_ && step.who == Who::Younger && step.number == SYS_recvmsg) on_step_(step);
  }

  std::function<void(const Step&)> on_step_;
  bool executed_ = false;
  SyscallSteps tracer_;
};

TEST_CASE(
    "tables of descriptors are large enough from the start: growing one stops all threads of a process") {
  const ServedFolder vipward;
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  constexpr rlim_t kEnough = rlim_t{128} * 1024;
  CHECK(std::stoul(process_status(vipward.proxy(), "FDSize")) >= std::min(limit.rlim_max, kEnough));
  CHECK(std::stoul(process_status(vipward.guardian(), "FDSize")) >= 1024);
}

TEST_CASE("a successor without room for everybody refuses batches, and gets all of them once it has room") {
  // Not for a whole batch, which is the first thing that comes: 80 sessions, two descriptors each.
  constexpr std::size_t kRoom = 100;
  ServedFolder vipward;
  Crowd crowd(vipward, {.target = vipward.address(), .bulk = 4, .request = 30, .idle = 266});
  std::atomic<std::size_t> before{0};
  std::atomic<pid_t> short_one{-1};
  Successor successor(vipward, [&](const Step& step) {
    if (before > 0) return;
    before = descriptors_of(step.pid).size();
    if (set_descriptor_limit(step.pid, limit_with_room(step.pid, kRoom))) short_one = step.pid;
  });
  Process reload = vipward.start_command({"reload"});
  REQUIRE(wait_until([&] { return short_one >= 0; }, 20s));
  successor.let_go();
  // Smaller and smaller batches, until not one more session fits.
  const auto is_full = [&] { return descriptors_of(short_one).size() > before + kRoom - 2; };
  CHECK(wait_until(is_full, 20s));
  // Who is here is served here, who is there is served there.
  crowd.check_served();
  CHECK(children_of(vipward.guardian()).size() == 2);
  CHECK(descriptors_of(short_one).size() <= before + kRoom);
  // Who comes now waits.
  auto newcomer = std::async(std::launch::async, [&] {
    return std::make_unique<TrafficClients>(
        TrafficClients::Options{.target = vipward.address(), .request = 1});
  });
  REQUIRE(set_descriptor_limit(short_one, RLIM_INFINITY));
  CHECK(reload.wait(60s) == 0);
  CHECK_NOTHROW(newcomer.get());
  CHECK(vipward.process().wait_for_line("sessions taken over sessions=300 displaced=0 batches_refused=[1-9]",
                                        20s));
  CHECK(crowd.count("error ") == crowd.count("error health check impossible"));
  CHECK(vipward.metric("vipward_generation") == 2);
  crowd.check_moved();
}

TEST_CASE(
    "a guardian that is short of descriptors refuses, whatever it lacks, and reloads once it has them") {
  ServedFolder vipward;
  Crowd crowd(vipward, {.target = vipward.address(), .bulk = 2, .request = 5, .idle = 5});
  const pid_t guardian = vipward.guardian();
  const pid_t proxy = vipward.proxy();
  const std::size_t descriptors = descriptors_of(guardian).size();
  const auto check_unmoved = [&] {
    CHECK(vipward.proxy() == proxy);
    CHECK(crowd.clients().tally().ended() == 0);
    CHECK(wait_for_descriptors(guardian, descriptors));
  };
  // None even for who asks.
  REQUIRE(set_descriptor_limit(guardian, limit_with_room(guardian, 0)));
  kill(guardian, SIGHUP);
  CHECK(vipward.process().wait_for_line("error reload failed, nothing changed .*Too many open files", 20s));
  REQUIRE(set_descriptor_limit(guardian, RLIM_INFINITY));
  check_unmoved();

  std::size_t refusals = 0;
  for (bool is_refused = true; is_refused;) {
    const std::size_t room = refusals + 1;
    CAPTURE(room);
    REQUIRE(room < descriptors * 2);
    REQUIRE(set_descriptor_limit(guardian, limit_with_room(guardian, room)));
    Process reload = vipward.start_command({"reload"});
    REQUIRE(wait_until(
        [&] { return !reload.is_running() || crowd.count("handing over to the next generation") > 0; }, 20s));
    REQUIRE(set_descriptor_limit(guardian, RLIM_INFINITY));
    is_refused = reload.wait(0s) == 1;
    if (is_refused) {
      ++refusals;
      const std::string said = reload.standard_error();
      CHECK_MESSAGE(said.starts_with("vipward reload: nothing changed\n"), said);
      CHECK(reload.count_lines("Too many open files$|^no descriptors are left for the next proxy$") == 1);
      check_unmoved();
    } else {
      // The next proxy was started as short of them as the guardian was.
      for (const pid_t child : children_of(guardian)) set_descriptor_limit(child, RLIM_INFINITY);
      CHECK(reload.wait(60s) == 0);
    }
  }
  // What the child needs that examines the configuration, the listeners, the next proxy and its briefing.
  CHECK(refusals > 20);
  crowd.check_moved();
  CHECK(wait_for_descriptors(guardian, descriptors));
}

// The old proxy's end of the link to its successor, which is the socket that it has not had before.
class Departing {
 public:
  // `on_first_word`: before it says it, on the tracer's thread.
  Departing(pid_t pid, std::function<void(pid_t)> on_first_word)
      : pid_(pid),
        before_(targets_of(pid)),
        on_first_word_(std::move(on_first_word)),
        tracer_(
            {.parent = pid, .numbers = {SYS_sendmsg}, .on_step = [this](const Step& step) { look(step); }}) {}
  // How often it has tried to say something.
  unsigned tries() const { return tries_; }
  // Whether the link has room for another packet; neither is true of one that is gone.
  bool is_writable() const { return (readiness() & POLLOUT) != 0; }
  bool is_full() const { return readiness() == 0; }

 private:
  short readiness() const {
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    const Fd link(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), link_.load(), 0)));
    pollfd entry{.fd = link.get(), .events = POLLOUT, .revents = 0};
    return link && poll(&entry, 1, 0) >= 0 ? entry.revents : POLLNVAL;
  }
  // By their inodes: numbers are used again, that of a connection that has just asked for the metrics.
  static std::set<std::string> targets_of(pid_t pid) {
    std::set<std::string> targets;
    for (const OpenDescriptor& descriptor : descriptors_of(pid)) targets.insert(descriptor.target);
    return targets;
  }
  void look(const Step& step) {
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(
        "/proc/" + std::to_string(step.pid) + "/fd/" + std::to_string(step.fd), ignored);
    if (before_.contains(target)) return;
    link_ = step.fd;
    if (tries_ == 0) on_first_word_(pid_);
    ++tries_;
  }

  pid_t pid_;
  std::set<std::string> before_;
  std::function<void(pid_t)> on_first_word_;
  std::atomic<int> link_{-1};
  std::atomic<unsigned> tries_{0};
  SyscallSteps tracer_;
};

// Stops the next proxy where it is about to read the link for the first time, and the guardian with it, while
// the old one goes on. The next one does not serve yet: nobody gives it 500 ms.
class Held {
 public:
  // `is_enough`: asked until it holds, on the tracer's thread.
  Held(const ServedFolder& vipward, std::function<bool()> is_enough)
      : is_enough_(std::move(is_enough)), successor_(vipward, [this](const Step& step) { look(step); }) {}
  // Whether it did.
  bool was_enough() const { return was_enough_; }
  void let_go() { successor_.let_go(); }

 private:
  void look(const Step& step) {
    constexpr int kChannel = 3;  // to the guardian (spawn.h)
    if (step.fd == kChannel || std::exchange(held_, true)) return;
    was_enough_ = wait_until(is_enough_, 2s, 5ms);
  }

  std::function<bool()> is_enough_;
  bool held_ = false;
  std::atomic<bool> was_enough_{false};
  Successor successor_;
};

// The number of descriptors in flight is its user's, the limit is its own.
bool is_passing_refused(rlim_t limit) {
  return problem_as_nobody([limit]() -> std::string {
           const PassingProbe probe;
           set_descriptor_limit(limit);
           return probe.is_refused() ? "" : "it passes";
         }) == "";
}

TEST_CASE("an old proxy that may pass no more descriptors waits until those in flight have arrived") {
  constexpr rlim_t kLimit = 60;  // a batch has 160
  ServedFolder vipward;
  Crowd crowd(vipward, {.target = vipward.address(), .bulk = 2, .request = 10, .idle = 288});
  CHECK(wait_until([] { return !is_passing_refused(kLimit); }, 20s));
  std::atomic<bool> lowered{false};
  std::atomic<bool> bites{false};
  std::atomic<bool> was_writable{false};
  Departing departing(vipward.proxy(), [&](pid_t pid) { lowered = set_descriptor_limit(pid, kLimit); });
  unsigned tries = 0;
  Held held(vipward, [&] {
    if (!bites) {
      bites = is_passing_refused(kLimit);
      tries = departing.tries();
      return false;
    }
    was_writable = departing.is_writable();
    // It tries again, every 10 ms, though the link would take more: this is the limit, not a full link.
    constexpr unsigned kTries = 5;
    return departing.tries() >= tries + kTries;
  });
  vipward.must({"reload"});
  held.let_go();
  CHECK(lowered);
  CHECK(bites);
  CHECK(was_writable);
  CHECK(held.was_enough());
  CHECK(
      vipward.process().wait_for_line("sessions taken over sessions=300 displaced=0 batches_refused=0", 20s));
  CHECK(vipward.metric("vipward_generation") == 2);
  crowd.check_moved();
}

TEST_CASE("a link that is full in the middle of a batch goes on once the successor reads") {
  ServedFolder vipward;
  Crowd crowd(vipward, {.target = vipward.address(), .bulk = 40, .idle = 110});
  crowd.clients().pause_bulk();
  // Nothing moves any more: every buffer on the way is full.
  const auto passed = [&] {
    return vipward.metric("vipward_relayed_bytes_total", {{"backend", "a"}, {"direction", "to_client"}}) +
           vipward.metric("vipward_relayed_bytes_total", {{"backend", "b"}, {"direction", "to_client"}});
  };
  double last = -1;
  REQUIRE(wait_until([&] { return std::exchange(last, passed()) == passed(); }, 20s, 100ms));
  Departing departing(vipward.proxy(), [](pid_t) {});
  unsigned tries = 0;
  TrafficClients::Clock::time_point full_since{};
  Held held(vipward, [&] {
    const bool is_full = departing.is_full() && std::exchange(tries, departing.tries()) == tries;
    if (!is_full || full_since == TrafficClients::Clock::time_point{})
      full_since = TrafficClients::Clock::now();
    // It has more to say, and does not try.
    return is_full && TrafficClients::Clock::now() - full_since >= 50ms;
  });
  vipward.must({"reload"});
  held.let_go();
  CHECK(held.was_enough());
  crowd.clients().resume_bulk();
  CHECK(
      vipward.process().wait_for_line("sessions taken over sessions=150 displaced=0 batches_refused=0", 20s));
  CHECK(vipward.metric("vipward_generation") == 2);
  crowd.check_moved();
}

}  // namespace
}  // namespace vipward::test
