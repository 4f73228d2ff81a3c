#include "lb/vip/instance.h"

#include <algorithm>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// After this many own intervals without an advertisement of ours the peer's timer is about to fire, or has.
constexpr int kStallIntervals = 3;
constexpr int kLastResortDownIntervals = 3;
// Answers to competing claims keep this distance, or a quarter of the interval. Two hosts that each believe
// the other one to be lower (one address configured on both, a reflecting switch) would else answer each
// other at line rate.
constexpr Duration kLongestAnswerGap = 10ms;

}  // namespace

void Actions::merge(const Actions& later) {
  if (!later.transition) {
    advertise = advertise || later.advertise;
    announce = announce || later.announce;
    return;
  }
  const VipState from = transition ? transition->from : later.transition->from;
  const VipState to = later.transition->to;
  const bool was_left = from == VipState::Active && to != VipState::Active;
  tell_release = was_left && (tell_release || later.tell_release);
  tell_winner = was_left && (tell_winner || later.tell_winner);
  transition = Transition{.from = from, .to = to, .cause = later.transition->cause};
  if (from == to) transition.reset();
  // What an earlier event wanted to be sent holds only for as long as we are active.
  advertise = later.advertise;
  announce = later.announce;
}

Instance::Instance(InstanceSettings settings, const InstanceMemory& memory)
    : settings_(std::move(settings)),
      state_(memory.state),
      candidacy_(memory.candidacy),
      learnt_(memory.learnt),
      last_heard_(memory.last_heard),
      active_since_(memory.active_since),
      last_sent_(memory.last_sent),
      told_(memory.told),
      advertise_at_(memory.advertise_at),
      contested_until_(memory.contested_until),
      contested_since_(memory.contested_since),
      quiet_since_(memory.quiet_since),
      heard_(memory.heard),
      discarded_(memory.discarded),
      released_(memory.released),
      down_at_(memory.down_at),
      lower_since_(memory.lower_since),
      fault_gone_at_(memory.fault_gone_at),
      startup_until_(memory.startup_until),
      stall_until_(memory.stall_until) {}

InstanceMemory Instance::memory() const {
  return {.state = state_,
          .candidacy = candidacy_,
          .learnt = learnt_,
          .last_heard = last_heard_,
          .active_since = active_since_,
          .last_sent = last_sent_,
          .told = told_,
          .advertise_at = advertise_at_,
          .contested_until = contested_until_,
          .contested_since = contested_since_,
          .quiet_since = quiet_since_,
          .heard = heard_,
          .discarded = discarded_,
          .released = released_,
          .down_at = down_at_,
          .lower_since = lower_since_,
          .fault_gone_at = fault_gone_at_,
          .startup_until = startup_until_,
          .stall_until = stall_until_};
}

void Instance::resume(TimePoint now) {
  if (state_ == VipState::Active) {
    learnt_ = settings_.interval;
    advertise_at_ = now;
    return;
  }
  if (!is_listening()) return;
  const bool is_lower = last_heard_ && last_heard_->priority < settings_.priority;
  if (settings_.failback != Failback::After || !is_lower) lower_since_.reset();
  if (!heard_ || !last_heard_) return;
  if (discarded_) {
    if (may_preempt(last_heard_->priority)) return;
    // Somebody whom we tolerate now: he has his time.
    discarded_ = false;
    learnt_ = last_heard_->interval;
    fault_gone_at_.reset();
  }
  down_at_ = quiet_since_ + down();
}

Actions Instance::start(TimePoint now, bool vip_was_ours) {
  Actions actions;
  if (state_ != VipState::Init) return actions;
  learnt_ = settings_.interval;
  last_heard_.reset();
  stall_until_ = {};
  enter(resting_state(), Cause::Startup, actions);
  listen_anew(now, vip_was_ours ? Duration::zero() : settings_.startup_delay);
  if (settings_.priority == kOwnerPriority && candidacy_ == Candidacy::Full) {
    become_active(now, Cause::Startup, actions);
  }
  return actions;
}

Actions Instance::on_advertisement(TimePoint now, const HeardAdvertisement& heard) {
  Actions actions;
  leave_if_stalled(now, actions);
  if (state_ == VipState::Init || heard.source == settings_.own || is_last_word(now, heard)) return actions;
  if (state_ == VipState::Active) {
    hear_while_active(now, heard, actions);
  } else if (heard.priority == 0) {
    hear_release(now, heard.source);
    claim_if_due(now, actions);
  } else {
    hear_while_listening(now, heard);
  }
  if (heard.priority != 0) {
    last_heard_ =
        LastHeard{.source = heard.source, .priority = heard.priority, .interval = heard.interval, .at = now};
  }
  return actions;
}

Actions Instance::on_time(TimePoint now) {
  Actions actions;
  leave_if_stalled(now, actions);
  if (state_ == VipState::Active) {
    if (contested_until_ && now >= *contested_until_) {
      contested_until_.reset();
      actions.announce = true;
    }
    if (now >= advertise_at_) {
      // From when it was due, not from when the timer came to it: lateness must not add up.
      const TimePoint due = advertise_at_;
      advertise(now, actions);
      if (now - due < settings_.interval / 2) advertise_at_ = due + settings_.interval;
    }
  }
  claim_if_due(now, actions);
  return actions;
}

Actions Instance::set_candidacy(TimePoint now, Candidacy candidacy) {
  Actions actions;
  leave_if_stalled(now, actions);
  const Candidacy before = std::exchange(candidacy_, candidacy);
  if (before != candidacy && state_ != VipState::Init) change_candidacy(now, before, actions);
  return actions;
}

Actions Instance::on_carrier_up(TimePoint now) {
  Actions actions;
  leave_if_stalled(now, actions);
  if (state_ == VipState::Active) {
    // A flap that cost no candidacy: the switch may have forgotten where we are.
    advertise(now, actions);
    actions.announce = true;
  } else if (is_listening()) {
    listen_anew(now, settings_.startup_delay);
  }
  return actions;
}

Actions Instance::advertise_before_pause(TimePoint now, Duration interval) {
  Actions actions;
  leave_if_stalled(now, actions);
  if (state_ != VipState::Active) return actions;
  advertise(now, actions);
  told_ = std::max(told_, interval);
  return actions;
}

Actions Instance::shut_down(TimePoint now) {
  Actions actions;
  leave_if_stalled(now, actions);
  if (state_ == VipState::Init) return actions;
  const bool was_active = state_ == VipState::Active;
  contested_until_.reset();
  enter(VipState::Init, Cause::Shutdown, actions);
  if (was_active) actions.tell_release = true;
  return actions;
}

std::optional<TimePoint> Instance::next_deadline() const {
  if (state_ != VipState::Active) return claim_at();
  return contested_until_ ? std::min(advertise_at_, *contested_until_) : advertise_at_;
}

std::uint8_t Instance::advertised_priority() const {
  const bool is_reluctant = state_ == VipState::Active && candidacy_ != Candidacy::Full;
  return is_reluctant ? kReluctantPriority : settings_.priority;
}

VipState Instance::resting_state() const {
  const bool has_fault = candidacy_ == Candidacy::LastResort || candidacy_ == Candidacy::None;
  return has_fault ? VipState::Fault : VipState::Backup;
}

bool Instance::may_preempt(std::uint8_t priority) const {
  if (priority >= settings_.priority) return false;
  return settings_.failback == Failback::Immediately || settings_.priority == kOwnerPriority ||
         priority <= kReluctantPriority;
}

// Of one that has heard the active one and gives way to it, as we did. A holder that says no more than this
// is one once the active one has missed an advertisement.
bool Instance::is_last_word(TimePoint now, const HeardAdvertisement& heard) const {
  return is_listening() && heard_ && heard.priority == kReluctantPriority && last_heard_ &&
         last_heard_->source != heard.source && last_heard_->priority > heard.priority &&
         now - last_heard_->at < last_heard_->interval;
}

// While active: who says it for the first time has heard us and gives way. A holder that says no more than
// this says it again; of two that give way the second one passes for such a one, for a moment.
bool Instance::is_last_word_to_us(TimePoint now, const HeardAdvertisement& heard) const {
  const bool said_it_before = last_heard_ && last_heard_->priority == kReluctantPriority &&
                              last_heard_->at >= active_since_ &&
                              now - last_heard_->at < down_beside(last_heard_->interval);
  return heard.priority == kReluctantPriority && advertised_priority() > kReluctantPriority &&
         !said_it_before;
}

bool Instance::goes_first(const HeardAdvertisement& heard) const {
  const std::uint8_t own = advertised_priority();
  return heard.priority > own || (heard.priority == own && heard.source > settings_.own);
}

void Instance::enter(VipState state, Cause cause, Actions& actions) {
  actions.merge({.transition = Transition{.from = state_, .to = state, .cause = cause}});
  state_ = state;
}

void Instance::become_active(TimePoint now, Cause cause, Actions& actions) {
  enter(VipState::Active, cause, actions);
  active_since_ = now;
  learnt_ = settings_.interval;
  advertise(now, actions);
  actions.announce = true;
}

// Nothing is told to the others: whoever calls this in an orderly release says so in `actions`.
void Instance::step_down(TimePoint now, Cause cause, Actions& actions) {
  enter(resting_state(), cause, actions);
  contested_until_.reset();
  learnt_ = settings_.interval;
  listen_from(now);
  down_at_ = now + down();
}

// RFC 9568 knows no stall. The peer, which waits by the interval it was told, has taken over by now: one
// advertisement of ours would cut its clients.
void Instance::leave_if_stalled(TimePoint now, Actions& actions) {
  if (state_ != VipState::Active || now - last_sent_ < kStallIntervals * told_) return;
  step_down(now, Cause::Stall, actions);
  stall_until_ = now + down();
}

void Instance::advertise(TimePoint now, Actions& actions) {
  last_sent_ = now;
  told_ = settings_.interval;
  advertise_at_ = now + settings_.interval;
  actions.advertise = true;
}

void Instance::answer(TimePoint now, Actions& actions) {
  if (now == last_sent_) return;  // another event of this turn has asked for it already
  const TimePoint earliest = last_sent_ + std::min(settings_.interval / 4, kLongestAnswerGap);
  if (now >= earliest) {
    advertise(now, actions);
  } else {
    advertise_at_ = std::min(advertise_at_, earliest);
  }
}

void Instance::hear_while_active(TimePoint now, const HeardAdvertisement& heard, Actions& actions) {
  if (heard.priority != 0 && goes_first(heard)) {
    step_down(now, Cause::HigherPriority, actions);
    actions.tell_winner = true;
    hear_while_listening(now, heard);
    return;
  }
  answer(now, actions);
  // The neighbours may have believed the other one: told at the beginning of the episode and at its end.
  if (heard.priority == 0 || is_last_word_to_us(now, heard)) {
    actions.announce = heard.priority != 0 || contested_until_;
    contested_until_.reset();
    return;
  }
  actions.announce = !contested_until_;
  if (!contested_until_) contested_since_ = now;
  contested_until_ = now + down_beside(heard.interval);
}

void Instance::hear_while_listening(TimePoint now, const HeardAdvertisement& heard) {
  const bool was_silent = !heard_ || now >= quiet_since_ + down();
  quiet_since_ = now;
  heard_ = true;
  released_ = false;
  fault_gone_at_.reset();
  // Preempt_Mode: the advertisement is discarded, and the timer takes over when it runs out.
  discarded_ = preempts(heard.priority);
  if (discarded_) return;
  learnt_ = heard.interval;
  down_at_ = now + down();
  if (candidacy_ != Candidacy::Full || heard.priority >= settings_.priority) {
    lower_since_.reset();
  } else if (settings_.failback == Failback::After && (!lower_since_ || was_silent)) {
    lower_since_ = now;
  }
}

void Instance::hear_release(TimePoint now, const IpAddress& source) {
  // Of several peers only the active one's matters: another one that lets go of what it does not hold would
  // make us claim against a living one.
  const bool another_is_active =
      heard_ && last_heard_ && last_heard_->source != source && now < quiet_since_ + down();
  // It is sent twice: the second one must not put the timer off.
  if (another_is_active || released_) return;
  listen_from(now);
  released_ = true;
  down_at_ = now + release_skew(settings_.skew, settings_.priority, learnt_);
}

void Instance::listen_from(TimePoint now) {
  quiet_since_ = now;
  heard_ = false;
  discarded_ = false;
  released_ = false;
  lower_since_.reset();
  fault_gone_at_.reset();
}

void Instance::listen_anew(TimePoint now, Duration startup_delay) {
  const Duration first = start_down_interval(settings_.skew, settings_.priority, settings_.interval,
                                             settings_.own, settings_.peers);
  listen_from(now);
  down_at_ = now + first;
  startup_until_ = now + std::max(first, startup_delay);
}

void Instance::change_candidacy(TimePoint now, Candidacy before, Actions& actions) {
  const bool is_full = candidacy_ == Candidacy::Full;
  if (state_ == VipState::Active) {
    // Who holds them although it is no full candidate does so because nobody else is there: it goes on.
    const bool gives_up = candidacy_ == Candidacy::None || before == Candidacy::Full;
    if (gives_up) {
      const bool by_operator = candidacy_ == Candidacy::IfNobodyHeard;
      step_down(now, by_operator ? Cause::OperatorRelease : Cause::OwnFault, actions);
      actions.tell_release = true;
    } else if (is_full) {
      advertise(now, actions);  // the priority in it has changed
    }
    return;
  }
  if (resting_state() == VipState::Fault) {
    if (state_ != VipState::Fault) enter(VipState::Fault, Cause::OwnFault, actions);
  } else if (state_ != VipState::Backup) {
    enter(VipState::Backup, is_full ? Cause::FaultGone : Cause::OperatorRelease, actions);
  }
  lower_since_.reset();
  fault_gone_at_.reset();
  if (is_full && released_) fault_gone_at_ = down_at_;
  if (is_full && !released_) fault_gone_at_ = quiet_since_ + (heard_ ? down() : learnt_);
  claim_if_due(now, actions);
}

std::optional<TimePoint> Instance::claim_at() const {
  if (!is_listening() || candidacy_ == Candidacy::None) return std::nullopt;
  TimePoint at = down_at_;
  if (candidacy_ == Candidacy::Full) {
    if (lower_since_) at = std::min(at, *lower_since_ + settings_.failback_delay);
    if (fault_gone_at_) at = std::min(at, *fault_gone_at_);
  } else {
    at = quiet_since_ + (candidacy_ == Candidacy::LastResort ? kLastResortDownIntervals : 1) * down();
  }
  if (!released_) at = std::max(at, startup_until_);
  return std::max(at, stall_until_);
}

Cause Instance::claim_cause(TimePoint now) const {
  if (candidacy_ != Candidacy::Full) return Cause::NobodyHeard;
  if (fault_gone_at_ && now >= *fault_gone_at_) return Cause::FaultGone;
  if (released_) return Cause::PriorityZero;
  // A claim against one that is still heard.
  if (heard_ && now < quiet_since_ + down()) return Cause::Failback;
  return Cause::DownTimer;
}

void Instance::claim_if_due(TimePoint now, Actions& actions) {
  const auto at = claim_at();
  if (at && now >= *at) become_active(now, claim_cause(now), actions);
}

}  // namespace vipward
