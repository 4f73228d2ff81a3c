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
      reply_(begun.reply ? Fd(*begun.reply) : Fd()) {}

HandoverReport::Begun HandoverReport::lent() const {
  Begun begun = begun_;
  begun.reply = reply_.is_over() ? std::nullopt : std::optional(reply_.fd());
  return begun;
}

void HandoverReport::on_inherited(std::uint32_t sessions, Duration longest_stall) {
  inherited_ = true;
  moved_ += sessions;
  longest_stall_ = std::max(longest_stall_, longest_stall);
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
            {{"generation", begun_.successor},
             {"sessions_moved", moved_},
             {"longest_stall_seconds", longest_stall_},
             {"predecessor_ended_in_order", in_order_},
             {"duration_seconds", now - begun_.asked_at}});
  return true;
}

std::string HandoverReport::summary() const {
  std::string text = begun_.kind == SuccessionKind::Upgrade
                         ? "upgraded from " + begun_.from_version + " to " + to_version_
                         : "reloaded";
  text += ": generation " + std::to_string(begun_.successor) + " serves, " + counted(moved_, "session") +
          " moved";
  if (moved_ > 0) text += ", longest stall " + milliseconds_text(longest_stall_);
  return text;
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
  if (lost_successors_ > 0)
    text += "\n" + counted(lost_successors_, "successor") + " died meanwhile, the next one took over";
  reply_.succeed(text);
}

}  // namespace vipward
