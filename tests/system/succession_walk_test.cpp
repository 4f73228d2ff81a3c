// Every step of a reload and of an upgrade, and whoever dies there: the old proxy, the new one, or both. A
// step is a sendmsg(2), recvmsg(2) or execveat(2) of the guardian or of one of the proxies: the moments at
// which something is said or has been heard.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>

#include "tests/support/syscall_steps.h"
#include "tests/support/wait.h"
#include "tests/system/guarded.h"
#include "tests/system/served_folder.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Who = SyscallSteps::Who;
using Clock = std::chrono::steady_clock;

const std::map<long, const char*> kCalls{
    {SYS_sendmsg, "sendmsg"}, {SYS_recvmsg, "recvmsg"}, {SYS_execveat, "execveat"}};
const std::map<Who, const char*> kNames{
    {Who::Parent, "guardian"}, {Who::Elder, "old proxy"}, {Who::Younger, "new proxy"}};
constexpr auto kLimit = 15s;

enum class Victim : std::uint8_t { Old, New, Both };
const std::array<std::string, 3> kVictims{"the old proxy", "the new proxy", "both"};

struct Point {
  Who who = Who::Parent;
  long number = 0;
  unsigned nth = 0;
  bool operator==(const Point&) const = default;
};

std::string to_string(const Point& point) {
  return std::string(kNames.at(point.who)) + ", " + kCalls.at(point.number) + " " + std::to_string(point.nth);
}

class Walk {
 public:
  // `command`: "reload" or "upgrade".
  explicit Walk(std::string command) : command_(std::move(command)) { connect(); }

  // At most so many of each process and call, evenly over all that an undisturbed succession makes.
  std::vector<Point> points(unsigned most_of_each) {
    std::mutex mutex;
    std::map<std::pair<Who, long>, unsigned> counts;
    {
      SyscallSteps tracer(options([&](const SyscallSteps::Step& step) {
        const std::lock_guard lock(mutex);
        counts[{step.who, step.number}] = step.nth;
      }));
      succeed();
      REQUIRE(settles());
    }
    std::vector<Point> chosen;
    for (const auto& [of, count] : counts) {
      std::cout << command_ << ": " << kNames.at(of.first) << " makes " << count << " "
                << kCalls.at(of.second) << "\n";
      const unsigned number = std::min(count, most_of_each);
      for (unsigned i = 0; i < number; ++i)
        chosen.push_back({of.first, of.second, 1 + i * (count - 1) / std::max(1U, number - 1)});
    }
    return chosen;
  }

  // False: the point was not reached this time, or there was nobody to kill.
  bool kill_at(const Point& point, Victim victim) {
    const pid_t old = vipward_.proxy();
    std::atomic<bool> reached{false};
    CommandResult result;
    {
      SyscallSteps tracer(options([&](const SyscallSteps::Step& step) {
        // Once: the next one of the successors comes to this step, too.
        if (reached || Point{step.who, step.number, step.nth} != point) return;
        const bool kills_new = victim != Victim::Old && step.younger > 0;
        if (victim == Victim::New && !kills_new) return;
        reached = true;
        if (victim != Victim::New) kill(old, SIGKILL);
        if (kills_new) kill(step.younger, SIGKILL);
      }));
      result = vipward_.command({command_});
      CHECK(settles());
    }
    INFO(to_string(point), ": ", kVictims[static_cast<std::size_t>(victim)], " killed\n",
         result.standard_output, result.standard_error, vipward_.process().output_tail());
    CHECK(result.exit_code != 124);
    check_sessions();
    resets_ += clients_->tally().reset;
    // And the next one works, with as many sessions as before.
    connect();
    succeed();
    CHECK(settles());
    check_sessions();
    CHECK(clients_->tally().reset == 0);
    return reached;
  }

  unsigned resets() const { return resets_; }

 private:
  SyscallSteps::Options options(std::function<void(const SyscallSteps::Step&)> on_step) {
    std::vector<long> numbers;
    for (const auto& [number, name] : kCalls) numbers.push_back(number);
    return {.parent = vipward_.guardian(),
            .elder = vipward_.proxy(),
            .younger_command = "proxy",
            .numbers = std::move(numbers),
            .on_step = std::move(on_step)};
  }

  // Until it is accepted: a death may just have been answered by another proxy.
  void succeed() {
    CommandResult result;
    const auto deadline = Clock::now() + kLimit;
    do {
      result = vipward_.command({command_});
    } while (!result.succeeded() &&
             result.standard_error.find("try again in a moment") != std::string::npos &&
             Clock::now() < deadline);
    CHECK_MESSAGE(result.succeeded(), result.standard_error);
  }

  void connect() {
    clients_.reset();
    clients_.emplace(TrafficClients::Options{
        .target = vipward_.address(), .bulk = 4, .request = 20, .idle = 250, .silent = 20});
  }

  // One proxy, and it serves.
  bool settles() {
    return wait_until(
        [&] {
          return children_of(vipward_.guardian()).size() == 1 &&
                 vipward_.command({"status"}).exit_code == 0 && children_of(vipward_.guardian()).size() == 1;
        },
        kLimit);
  }

  void check_sessions() {
    CHECK(clients_->count_stuck(kLimit) == 0);
    const TrafficClients::Tally tally = clients_->tally();
    CHECK(tally.closed == 0);
    CHECK(tally.corrupt == 0);
    CHECK(vipward_.backend(0).corrupt() + vipward_.backend(1).corrupt() == 0);
  }

  std::string command_;
  ServedFolder vipward_;
  std::optional<TrafficClients> clients_;
  unsigned resets_ = 0;
};

void walk(const std::string& command, unsigned most_of_each) {
  Walk walk(command);
  const auto start = Clock::now();
  const std::vector<Point> points = walk.points(most_of_each);
  REQUIRE(points.size() > 10);
  unsigned done = 0;
  unsigned missed = 0;
  for (const Point& point : points) {
    for (const Victim victim : {Victim::Old, Victim::New, Victim::Both})
      ++(walk.kill_at(point, victim) ? done : missed);
  }
  std::cout << command << ": " << points.size() << " steps walked, " << done << " times somebody was killed, "
            << missed << " times nobody was there or the step did not come, " << walk.resets()
            << " sessions reset, in "
            << std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start).count() << " s\n";
  CHECK(done > points.size());
}

TEST_CASE("whoever dies at whatever step of a reload, sessions are served or reset, and the next one works") {
  walk("reload", 3);
}

TEST_CASE(
    "whoever dies at whatever step of an upgrade, sessions are served or reset, and the next one works") {
  walk("upgrade", 2);
}

}  // namespace
}  // namespace vipward::test
