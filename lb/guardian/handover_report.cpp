#include "lb/guardian/handover_report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace vipward {
namespace {

std::string milliseconds_text(Duration duration) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f ms",
                std::chrono::duration<double, std::milli>(duration).count());
  return text.data();
}

std::string counted(std::uint32_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

HandoverReport::HandoverReport(Log& log, const Begun& begun, std::string to_version)
    : log_(log),
      begun_(begun),
      to_version_(std::move(to_version)),
      reply_(begun.reply ? Fd(*begun.reply) : Fd()),
      serving_(begun.successor) {}

HandoverReport::Begun HandoverReport::lent() const {
  Begun begun = begun_;
  begun.reply = reply_.is_over() ? std::nullopt : std::optional(reply_.fd());
  return begun;
}

void HandoverReport::on_inherited(std::uint32_t sessions, Duration longest_stall) {
  inherited_ = true;
  nobody_serves_ = false;
  moved_ += sessions;
  longest_stall_ = std::max(longest_stall_, longest_stall);
}

void HandoverReport::on_successor_ended() {
  ++lost_successors_;
  nobody_serves_ = true;
  inherited_ = false;
  moved_lost_ += std::exchange(moved_, 0);
  longest_stall_ = Duration::zero();
}

void HandoverReport::on_serving(std::uint64_t generation) {
  serving_ = generation;
  nobody_serves_ = false;
}

void HandoverReport::on_predecessor_ended(bool in_order) {
  predecessor_ended_ = true;
  in_order_ = in_order;
}

std::optional<TimePoint> HandoverReport::next_deadline() const {
  return reply_.is_over() ? std::nullopt : std::optional(begun_.asked_at + kLongestWait);
}

bool HandoverReport::conclude(TimePoint now) {
  if (!is_complete()) {
    if (!reply_.is_over() && now >= begun_.asked_at + kLongestWait) answer();
    return false;
  }
  answer();
  const bool is_upgrade = begun_.kind == SuccessionKind::Upgrade;
  log_.info(is_upgrade ? "upgrade complete" : "reload complete",
            {{"generation", serving_},
             {"sessions_moved", moved_},
             {"successors_lost", lost_successors_},
             {"longest_stall_seconds", longest_stall_},
             {"predecessor_ended_in_order", in_order_},
             {"duration_seconds", now - begun_.asked_at}});
  return true;
}

std::string HandoverReport::summary() const {
  std::string text = begun_.kind == SuccessionKind::Upgrade
                         ? "upgraded from " + begun_.from_version + " to " + to_version_
                         : "reloaded";
  text += ": " + who_serves() + ", " + counted(moved_, "session") + " moved";
  if (moved_ > 0) text += ", longest stall " + milliseconds_text(longest_stall_);
  return text;
}

std::string HandoverReport::who_serves() const {
  const std::string generation = "generation " + std::to_string(serving_);
  return nobody_serves_ ? generation + " died, the next one is being started" : generation + " serves";
}

std::string HandoverReport::losses() const {
  if (lost_successors_ == 0) return "";
  return "\n" + counted(lost_successors_, "successor") + " died meanwhile, and reset " +
         (moved_lost_ > 0 ? counted(moved_lost_, "session") + " that had moved" : "what had moved") +
         " and their new clients";
}

void HandoverReport::answer() {
  if (reply_.is_over()) return;
  std::string text = summary();
  if (begun_.changes.empty()) text += "\nthe configuration is the same";
  for (const std::string& change : begun_.changes) text += "\n" + change;
  const std::string before = "generation " + std::to_string(begun_.predecessor);
  if (!predecessor_ended_) {
    text += "\n" + before + " still serves" + (left_ > 0 ? " " + counted(left_, "session") : "") +
            " and goes on handing over";
  } else if (!in_order_) {
    text += "\n" + before + " died before it had handed over everything, what it still had was reset";
  }
  reply_.succeed(text + losses());
}

}  // namespace vipward
