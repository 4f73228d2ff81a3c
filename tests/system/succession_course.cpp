#include "tests/system/succession_course.h"

#include <array>

namespace vipward::test {
namespace {

using Who = SyscallSteps::Who;
using Step = SyscallSteps::Step;

}  // namespace

std::string to_string(Victim victim) {
  constexpr std::array kNames{"the old proxy", "the new proxy", "both"};
  return kNames[static_cast<std::size_t>(victim)];
}

std::string to_string(const Point& point) {
  constexpr std::array kNames{"first", "second", "of the last batch"};
  return to_string(point.act) + " (" + kNames[static_cast<std::size_t>(point.which)] + ")";
}

void Course::look(const Step& step, Side side) {
  const auto act = act_of(step, side);
  // It begins with the examination: what is said before has nothing to do with it.
  began_ = began_ || step.who == Who::Newborn;
  if (!act || !began_) return;
  ++counts_[*act];
  const bool is_of_last_batch = ledger_.is_of_last_batch(*act, step);
  ledger_.note(*act, step);
  if (was_reached_) return;
  if (*act == Act{Who::Parent, Deed::Executes, "a program"}) committed_ = true;
  was_reached_ = is_there(*act, is_of_last_batch);
  // One that is killed when it is about to say so never does.
  if (act->what == "Inherited" && !was_reached_) inherited_ = true;
  if (act->what == "Inherited" && act->deed != Deed::Says) inherited_ = true;
  if (was_reached_) kill_victim(step);
}

bool Course::is_there(const Act& act, bool is_of_last_batch) const {
  if (!plan_.point || plan_.point->act != act) return false;
  switch (plan_.point->which) {
    case Which::First:
      return counts_.at(act) == 1;
    case Which::Second:
      return counts_.at(act) == 2;
    case Which::OfLastBatch:
      break;
  }
  return is_of_last_batch;
}

void Course::kill_victim(const Step& step) {
  if (plan_.victim != Victim::New) killed_.old_one = step.steps.kill(plan_.old);
  if (plan_.victim == Victim::Old) return;
  killed_.new_pid = step.newest;
  killed_.new_one = step.steps.kill(step.newest);
}

Course::Bounds Course::resets() const {
  if (killed_.old_one && killed_.new_one) return {plan_.sessions, plan_.sessions};
  const unsigned of_new = killed_.new_one ? ledger_.given_to(killed_.new_pid) : 0;
  const unsigned of_old = killed_.old_one ? plan_.sessions - ledger_.given() : 0;
  const unsigned most = of_new + of_old;
  // A Yours that the old proxy was saying when it was killed was said or was not.
  return {killed_.old_one ? most - ledger_.unsure() : most, most};
}

}  // namespace vipward::test
