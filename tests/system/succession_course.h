// The course of one reload or upgrade, step by step, and whoever is killed at one of them: what becomes of
// the sessions follows from it. Fed by the SyscallSteps of one command, read once those have gone.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/syscall_steps.h"
#include "tests/system/succession_steps.h"

namespace vipward::test {

enum class Victim : std::uint8_t { Old, New, Both };
std::string to_string(Victim victim);

// How many times something is done differs from run to run, but for these.
enum class Which : std::uint8_t { First, Second, OfLastBatch };

struct Point {
  Act act;
  Which which = Which::First;
};
std::string to_string(const Point& point);

class Course {
 public:
  struct Plan {
    pid_t old = -1;
    unsigned sessions = 0;  // that the old proxy has
    // Where the victim is killed; nowhere: nobody is.
    std::optional<Point> point{};
    Victim victim = Victim::Both;
  };
  explicit Course(Plan plan) : plan_(std::move(plan)), ledger_(plan_.sessions) {}

  // On the tracer's thread.
  void look(const SyscallSteps::Step& step, Side side);

  // How many times each thing was done.
  const std::map<Act, unsigned>& counts() const { return counts_; }
  bool was_reached() const { return was_reached_; }
  struct Killed {
    bool old_one = false;  // false as well if it had ended
    bool new_one = false;
    pid_t new_pid = -1;
  };
  const Killed& killed() const { return killed_; }
  // The guardian was about to execute itself, or had, when somebody was killed: nobody takes that back.
  bool was_committed() const { return committed_; }
  // The new proxy may have told the guardian that it has everything, before that.
  bool had_inherited() const { return inherited_; }

  // Sessions that became a new proxy's.
  unsigned given() const { return ledger_.given(); }
  // How many have to be reset by the commit rule, and can be.
  struct Bounds {
    unsigned least = 0;
    unsigned most = 0;
  };
  Bounds resets() const;

 private:
  bool is_there(const Act& act, bool is_of_last_batch) const;
  void kill_victim(const SyscallSteps::Step& step);

  const Plan plan_;
  SessionLedger ledger_;
  std::map<Act, unsigned> counts_;
  bool began_ = false;
  bool was_reached_ = false;
  bool committed_ = false;
  bool inherited_ = false;
  Killed killed_;
};

}  // namespace vipward::test
