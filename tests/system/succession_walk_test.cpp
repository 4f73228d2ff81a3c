// Every step of a reload and of an upgrade, and whoever dies there: the old proxy, the new one, or both. A
// step is a message that the guardian or a proxy is about to say, has said, or has just heard, or a program
// that is about to be executed. Whoever is killed is gone before the process at the step goes on, so that
// what must become of every session, and of the command, is known exactly.
#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tests/support/syscall_steps.h"
#include "tests/support/wait.h"
#include "tests/system/served_folder.h"
#include "tests/system/succession_course.h"
#include "tests/system/succession_steps.h"
#include "tests/system/unread_clients.h"

namespace vipward::test {
namespace {

using namespace std::chrono_literals;
using Who = SyscallSteps::Who;
using Step = SyscallSteps::Step;
using Clock = std::chrono::steady_clock;

constexpr auto kLimit = 15s;
constexpr TrafficClients::Options kTraffic{.target = {}, .bulk = 2, .request = 20, .idle = 200, .silent = 20};
constexpr unsigned kUnread = 2;
constexpr unsigned kSessions = kTraffic.bulk + kTraffic.request + kTraffic.idle + kTraffic.silent + kUnread;

// A succession, in its order.
struct Stage {
  Act act;
  std::optional<Who> hearer{};
  std::vector<Which> which{Which::First};
};
const std::vector<Which> kTwice{Which::First, Which::Second};
const std::vector<Which> kOfBatches{Which::First, Which::Second, Which::OfLastBatch};
const std::vector<Stage> kStages{
    // The examination, then the next proxy.
    {{Who::Newborn, Deed::Executes, "a program"}, {}, kTwice},
    {{Who::Parent, Deed::Says, "Setup"}, Who::Younger},
    // Again after the commit.
    {{Who::Parent, Deed::Says, "Drains"}, Who::Younger, kTwice},
    {{Who::Parent, Deed::Says, "ServiceListeners"}, Who::Younger},
    {{Who::Parent, Deed::Says, "AdminListeners"}, Who::Younger},
    {{Who::Parent, Deed::Says, "GuardianStatus"}, Who::Younger},
    {{Who::Parent, Deed::Says, "Prepare"}, Who::Younger},
    {{Who::Younger, Deed::Says, "Prepared"}, Who::Parent},
    {{Who::Parent, Deed::Executes, "a program"}},
    {{Who::Parent, Deed::Says, "TakeOver"}, Who::Younger},
    {{Who::Parent, Deed::Says, "HandOver"}, Who::Elder},
    {{Who::Elder, Deed::Says, "Backends"}, Who::Younger},
    // At the beginning and at the end.
    {{Who::Elder, Deed::Says, "Counts"}, Who::Younger, kTwice},
    {{Who::Elder, Deed::Says, "Known"}, Who::Younger},
    {{Who::Younger, Deed::Says, "Ready"}, Who::Parent},
    {{Who::Elder, Deed::Says, "Sessions"}, Who::Younger, kOfBatches},
    {{Who::Elder, Deed::Says, "Bytes"}, Who::Younger, kTwice},
    {{Who::Elder, Deed::Says, "BatchEnd"}, Who::Younger, kOfBatches},
    {{Who::Younger, Deed::Says, "Taken"}, Who::Elder, kOfBatches},
    {{Who::Elder, Deed::Says, "Yours"}, Who::Younger, kOfBatches},
    {{Who::Elder, Deed::HasSaid, "Yours"}, {}, kOfBatches},
    {{Who::Elder, Deed::Says, "End"}, Who::Younger},
    {{Who::Elder, Deed::Says, "HandedOver"}, Who::Parent},
    {{Who::Younger, Deed::Says, "Inherited"}, Who::Parent},
};

// Said when a clock says so, or a health check, and not for the succession's sake.
bool may_come_at_any_time(const Act& act) {
  return act.what == "GuardianStatus" || act.what == "living Backends";
}

// The old proxy goes once it has said HandedOver, which nothing here waits for.
bool may_be_gone(const Act& act) {
  return act.what == "Inherited" || act == Act{Who::Parent, Deed::Hears, "HandedOver"};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The number that follows `words` in the text.
std::optional<unsigned> number_after(const std::string& text, const std::string& words) {
  const auto at = text.find(words);
  unsigned number = 0;
  if (at == std::string::npos || !(std::istringstream(text.substr(at + words.size())) >> number))
    return std::nullopt;
  return number;
}

class Walk {
  static constexpr Course::Bounds kAnything{0, kSessions};

 public:
  // `command`: "reload" or "upgrade".
  explicit Walk(std::string command) : command_(std::move(command)) { connect(); }

  // What an undisturbed one does.
  std::map<Act, unsigned> watch() {
    Course course({.old = vipward_.proxy(), .sessions = kSessions});
    const CommandResult result = run(course);
    CHECK_MESSAGE(result.succeeded(), result.standard_error);
    REQUIRE(settles());
    CHECK(course.given() == kSessions);
    check_sessions({0, 0});
    return course.counts();
  }

  enum class Outcome : std::uint8_t {
    Walked,
    NotReached,  // nobody was killed this time
    // On a machine that is too busy somebody was taken for stalled, and killed by the guardian.
    Starved
  };
  Outcome kill_at(const Point& point, Victim victim) {
    const pid_t old = vipward_.proxy();
    const unsigned generation = this->generation();
    Course course({.old = old, .sessions = kSessions, .point = point, .victim = victim});
    const CommandResult result = run(course);
    CHECK(settles());
    INFO(to_string(point), ": ", to_string(victim), " killed\n", result.standard_output,
         result.standard_error, vipward_.process().output_tail());
    const bool was_starved = is_starved();
    clients_->speak_up();
    const unsigned reset = check_sessions(was_starved ? kAnything : course.resets());
    if (!was_starved) {
      check_deaths(course, point, victim);
      if (course.was_reached() && !course.was_committed()) {
        check_failure(course, result, old, generation);
      } else {
        check_report(course, result, generation, reset);
      }
    }
    deaths_ += unsigned{course.killed().old_one} + unsigned{course.killed().new_one};
    resets_ += reset;
    if (reset > 0 && reset < kSessions) ++partings_;
    // And the next one works, with as many sessions as before.
    connect();
    succeed();
    CHECK(settles());
    check_sessions(is_starved() ? kAnything : Course::Bounds{0, 0});
    if (is_starved()) {
      connect();
      return Outcome::Starved;
    }
    if (was_starved) return Outcome::Starved;
    return course.was_reached() ? Outcome::Walked : Outcome::NotReached;
  }

  unsigned deaths() const { return deaths_; }
  unsigned resets() const { return resets_; }
  // Times that some sessions were reset, and not all.
  unsigned partings() const { return partings_; }

 private:
  // Steps are looked at until the command has its answer. An upgrade finds another file.
  CommandResult run(Course& course) {
    if (command_ == "upgrade") vipward_.exchange_binary();
    const SyscallSteps tracer({.parent = vipward_.guardian(),
                               .elder = vipward_.proxy(),
                               .younger_command = "proxy",
                               .numbers = {SYS_sendmsg, SYS_recvmsg, SYS_execveat},
                               .on_step = [&](const Step& step) { course.look(step, Side::Before); },
                               .on_return = [&](const Step& step) { course.look(step, Side::After); }});
    return vipward_.command({command_});
  }

  // Until it is accepted: a death may just have been answered by another proxy.
  void succeed() {
    CommandResult result;
    const auto deadline = Clock::now() + kLimit;
    do {
      result = vipward_.command({command_});
    } while (!result.succeeded() && contains(result.standard_error, "try again in a moment") &&
             Clock::now() < deadline);
    CHECK_MESSAGE(result.succeeded(), result.standard_error);
  }

  void connect() {
    TrafficClients::Options traffic = kTraffic;
    traffic.target = vipward_.address();
    do {
      stalls_ = stalls();
      clients_.reset();
      unread_.emplace(vipward_.address(), kUnread);
      clients_.emplace(traffic);
    } while (is_starved());
  }

  unsigned generation() const { return static_cast<unsigned>(vipward_.metric("vipward_generation")); }

  // One proxy, and it serves.
  bool settles() {
    return wait_until(
        [&] {
          return children_of(vipward_.guardian()).size() == 1 &&
                 vipward_.command({"status"}).exit_code == 0 && children_of(vipward_.guardian()).size() == 1;
        },
        kLimit);
  }

  // Since the sessions were connected.
  bool is_starved() { return stalls() > stalls_; }
  std::size_t stalls() { return vipward_.process().count_lines("cause=\"[^\"]*stalled\""); }

  // Nothing is stuck, nothing looks complete that is not, nothing is wrong. Returns how many were reset.
  unsigned check_sessions(const Course::Bounds& resets) {
    CHECK(clients_->count_stuck(kLimit) == 0);
    const TrafficClients::Tally tally = clients_->tally();
    const UnreadClients::Tally unread = unread_->take(kLimit);
    const unsigned reset = tally.reset + unread.reset;
    CHECK(reset >= resets.least);
    CHECK(reset <= resets.most);
    CHECK(tally.closed + unread.closed == 0);
    CHECK(tally.corrupt + unread.corrupt == 0);
    CHECK(unread.stuck == 0);
    CHECK(tally.alive + unread.alive + reset == kSessions);
    CHECK(vipward_.backend(0).corrupt() + vipward_.backend(1).corrupt() == 0);
    return reset;
  }

  void check_deaths(const Course& course, const Point& point, Victim victim) {
    if (!course.was_reached()) return;
    const Course::Killed& killed = course.killed();
    CHECK(killed.new_one == (victim != Victim::Old));
    CHECK((killed.old_one == (victim != Victim::New) || may_be_gone(point.act)));
    // However sessions are counted: nothing of them moves before the commit.
    if (course.was_committed()) return;
    CHECK(course.resets().least == (killed.old_one ? kSessions : 0));
    CHECK(course.resets().most == (killed.old_one ? kSessions : 0));
  }

  // Before the commit nothing changes, but for what died.
  void check_failure(const Course& course, const CommandResult& result, pid_t old, unsigned generation) {
    const Course::Killed& killed = course.killed();
    CHECK(result.exit_code == 1);
    CHECK(result.standard_output.empty());
    CHECK(result.standard_error.starts_with("vipward " + command_ + ": nothing changed\n"));
    const bool tells_of_old = contains(result.standard_error, "\nthe proxy that serves ended meanwhile\n");
    const bool tells_of_new =
        contains(result.standard_error, "\nthe next proxy ended before it had taken over: ") ||
        contains(result.standard_error, " crashed when it read the configuration, killed by signal 9\n");
    CHECK((tells_of_old || tells_of_new));
    CHECK((!tells_of_old || killed.old_one));
    CHECK((!tells_of_new || killed.new_one));
    if (killed.old_one) {
      CHECK(vipward_.proxy() != old);
      CHECK(this->generation() > generation);
    } else {
      CHECK(vipward_.proxy() == old);
      CHECK(this->generation() == generation);
    }
  }

  // From the commit on the command succeeds, whoever dies, and says what became of it.
  void check_report(const Course& course, const CommandResult& result, unsigned generation, unsigned reset) {
    const Course::Killed& killed = course.killed();
    const std::string& text = result.standard_output;
    CHECK(result.exit_code == 0);
    CHECK(result.standard_error.empty());
    CHECK(text.starts_with(command_ == "reload" ? "reloaded: generation " : "upgraded from "));
    CHECK(contains(text, "\nthe configuration is the same\n"));
    const auto said = number_after(text, ": generation ");
    const auto moved = number_after(text, " serves, ");
    REQUIRE((said && moved));
    CHECK(*said > generation);
    const bool tells_of_old =
        contains(text, "\ngeneration " + std::to_string(generation) +
                           " died before it had handed over everything, what it still had was reset\n");
    const bool tells_of_new = contains(text, "\n1 successor died meanwhile, and reset ");
    CHECK(tells_of_old == killed.old_one);
    // That a new proxy has died which had told that it has everything may be heard of after the answer.
    const bool is_late = killed.new_one && course.had_inherited();
    const bool is_unheard = is_late && !tells_of_new;
    CHECK(tells_of_new == (killed.new_one && !is_unheard));
    CHECK(this->generation() == *said + unsigned{is_unheard});
    CHECK(*moved == (is_unheard ? kSessions : kSessions - reset));
    // How many died with it is known if it had told.
    const auto lost = number_after(text, "died meanwhile, and reset ");
    CHECK((!lost || (is_late && *lost == kSessions)));
    CHECK((!tells_of_new || lost || contains(text, "and reset what had moved and their new clients\n")));
  }

  std::string command_;
  ServedFolder vipward_;
  std::optional<TrafficClients> clients_;
  std::optional<UnreadClients> unread_;
  std::size_t stalls_ = 0;  // when they were connected
  unsigned deaths_ = 0;
  unsigned resets_ = 0;
  unsigned partings_ = 0;
};

// An undisturbed one does all that is walked here, and nothing else.
void check_stages(const std::string& command, const std::map<Act, unsigned>& counts) {
  std::set<Act> known;
  for (const Stage& stage : kStages) {
    known.insert(stage.act);
    if (stage.hearer) known.insert({*stage.hearer, Deed::Hears, stage.act.what});
  }
  for (const Act& act : known) CHECK_MESSAGE(counts.contains(act), to_string(act));
  for (const auto& [act, count] : counts) {
    std::cout << command << ": " << to_string(act) << ", " << count << " times\n";
    CHECK_MESSAGE((act.deed == Deed::HasSaid || known.contains(act) || may_come_at_any_time(act)),
                  to_string(act));
  }
}

enum class Thoroughness : std::uint8_t { FirstAndLastSaid, AllSaidAndHeard };

std::vector<Point> points_of(Thoroughness thoroughness) {
  const bool is_thorough = thoroughness == Thoroughness::AllSaidAndHeard;
  std::vector<Point> all;
  for (const Stage& stage : kStages) {
    for (const Which which : stage.which) {
      const bool is_in_the_middle = which == Which::Second && stage.which.back() != which;
      if (is_thorough || !is_in_the_middle) all.push_back({stage.act, which});
    }
    if (stage.hearer && is_thorough) all.push_back({{*stage.hearer, Deed::Hears, stage.act.what}});
  }
  return all;
}

// Of what is heard: whoever has heard it dies of it, or, if that is the guardian, whoever has said it. With
// both of them all sessions go, wherever that is: it is tried once for each thing that is said.
std::vector<Victim> victims_at(const Point& point, Thoroughness thoroughness) {
  const Act& act = point.act;
  if (act.deed == Deed::Hears) {
    const bool is_old = act.who == Who::Elder || act.what == "HandedOver";
    return {is_old ? Victim::Old : Victim::New};
  }
  if (thoroughness == Thoroughness::AllSaidAndHeard && point.which == Which::First)
    return {Victim::Old, Victim::New, Victim::Both};
  return {Victim::Old, Victim::New};
}

void walk(const std::string& command, Thoroughness thoroughness) {
  using Outcome = Walk::Outcome;
  constexpr unsigned kAttempts = 3;
  Walk walk(command);
  const auto start = Clock::now();
  check_stages(command, walk.watch());
  std::map<Outcome, unsigned> outcomes;
  unsigned missed = 0;
  const std::vector<Point> points = points_of(thoroughness);
  for (const Point& point : points) {
    for (const Victim victim : victims_at(point, thoroughness)) {
      Outcome outcome = Outcome::NotReached;
      for (unsigned i = 0; i < kAttempts && outcome != Outcome::Walked; ++i)
        ++outcomes[outcome = walk.kill_at(point, victim)];
      if (outcome != Outcome::Walked) ++missed;
    }
  }
  std::cout << command << ": " << points.size() << " steps, " << outcomes[Outcome::Walked] << " walked, "
            << outcomes[Outcome::NotReached] << " not reached at once, " << outcomes[Outcome::Starved]
            << " on a machine too busy, " << missed << " missed; " << walk.deaths() << " proxies killed, "
            << walk.resets() << " sessions reset, " << walk.partings() << " times some of them, in "
            << std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start).count() << " s\n";
  CHECK(missed == 0);
  CHECK(outcomes[Outcome::NotReached] <= points.size() / 10);
  CHECK(outcomes[Outcome::Starved] <= points.size() / 10);
  CHECK(walk.partings() > 0);
}

TEST_CASE("whoever dies at whatever step of a reload, sessions are served or reset, and the next one works") {
  walk("reload", Thoroughness::AllSaidAndHeard);
}

TEST_CASE(
    "whoever dies at whatever step of an upgrade, sessions are served or reset, and the next one works") {
  walk("upgrade", Thoroughness::FirstAndLastSaid);
}

}  // namespace
}  // namespace vipward::test
