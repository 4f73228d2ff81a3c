#include "lb/guardian/operator_commands.h"

#include <algorithm>
#include <utility>

namespace vipward {
namespace {

// Three of version 3's longest intervals and what comes on top; the client waits a little longer.
constexpr std::chrono::seconds kLongestWait{140};

constexpr const char* kNoVip = "there is no vip section in the configuration, nothing to release";

constexpr const char* kStops = "vipward stops";

std::string milliseconds_text(Duration duration) {
  const auto tenths = std::chrono::duration_cast<std::chrono::microseconds>(duration).count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

}  // namespace

OperatorCommands::OperatorCommands(Loop& loop, Log& log, VirtualRouter* router,
                                   std::function<void()> reconsider)
    : loop_(loop), log_(log), router_(router), reconsider_(std::move(reconsider)) {}

void OperatorCommands::release(ReleaseRequest request, CommandReply reply) {
  if (router_ == nullptr) return reply.fail(kNoVip);
  if (stopping_) return reply.fail(kStops);
  if (pending_) return reply.fail("a release is under way");
  const TimePoint now = loop_.now();
  const bool was_active = router_->state() == VipState::Active;
  hold_.begin(now, request.limit);
  log_.info("release asked for by the operator", {{"active", was_active}});
  if (!was_active) {
    reconsider_();
    return reply.succeed("this host does not hold the address (" + std::string(to_string(router_->state())) +
                         "), and is no candidate until resume" +
                         (request.limit ? " or its time is over" : ""));
  }
  pending_.emplace(Pending{.reply = std::move(reply), .since = now});
  reconsider_();
  if (!pending_ || router_->state() != VipState::Active) return;
  Pending refused = std::move(*std::exchange(pending_, std::nullopt));
  end_hold("the address is held as the last resort");
  refused.reply.fail("this host holds the address as the last resort: " + router_->report().reason);
}

void OperatorCommands::resume(CommandReply reply) {
  if (router_ == nullptr) return reply.fail(kNoVip);
  if (!hold_.is_active()) return reply.succeed("this host is a candidate already");
  end_hold("resume");
  reply.succeed("this host is a candidate again");
}

void OperatorCommands::stop() {
  stopping_ = true;
  if (pending_) std::exchange(pending_, std::nullopt)->reply.fail(kStops);
}

OperatorCommands::Lent OperatorCommands::lent() const {
  Lent lent{.is_holding = hold_.is_active(), .holds_until = hold_.ends_at()};
  if (pending_) {
    lent.pending_reply = pending_->reply.fd();
    lent.pending_since = pending_->since;
  }
  return lent;
}

void OperatorCommands::resume_from(const Lent& lent) {
  if (lent.is_holding) hold_.begin_until(lent.holds_until);
  if (lent.pending_reply)
    pending_.emplace(Pending{.reply = CommandReply(Fd(*lent.pending_reply)), .since = lent.pending_since});
}

std::optional<TimePoint> OperatorCommands::next_deadline() const {
  if (!pending_) return hold_.ends_at();
  const TimePoint answer_by = pending_->since + kLongestWait;
  return hold_.ends_at() ? std::min(*hold_.ends_at(), answer_by) : answer_by;
}

void OperatorCommands::end_hold(const char* why) {
  hold_.end();
  log_.info("released no longer", {{"cause", why}});
  reconsider_();
}

void OperatorCommands::look() {
  if (router_ == nullptr) return;
  if (pending_) {
    const TimePoint now = loop_.now();
    if (const auto claim = router_->claimed_since(pending_->since)) {
      const Duration taken = claim->at - pending_->since;
      Pending done = std::move(*std::exchange(pending_, std::nullopt));
      log_.info("release complete", {{"peer", claim->source.to_string()}, {"duration_seconds", taken}});
      done.reply.succeed("released, " + claim->source.to_string() + " took over within " +
                         milliseconds_text(taken));
    } else if (router_->state() == VipState::Active) {
      Pending failed = std::move(*std::exchange(pending_, std::nullopt));
      failed.reply.fail("nobody took over within " + milliseconds_text(now - failed.since) +
                        ", this host has taken the address back");
    } else if (now >= pending_->since + kLongestWait) {
      Pending failed = std::move(*std::exchange(pending_, std::nullopt));
      failed.reply.fail("nobody took over within " + milliseconds_text(now - failed.since) +
                        ", and this host has not taken the address back yet: " + router_->report().reason);
    }
  }
  if (!hold_.is_active()) return;
  if (hold_.expire(loop_.now())) {
    end_hold("time over");
  } else if (router_->state() == VipState::Active) {
    end_hold("nobody else was heard");
  }
}

}  // namespace vipward
