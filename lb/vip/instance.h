// The VRRP state machine of one virtual router (RFC 9568 6.4), and what DESIGN adds: own faults, releases,
// stalls. Pure: events with `now` in, Actions out; next_deadline() says when on_time() wants to be called.
// Owned by Vip. Order of calls in a turn: every queued advertisement first, then on_time(), then what came
// out, merged: so a burst of stale packets is answered once, and the timer is never believed before the
// socket.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"
#include "lb/vip/timing.h"

namespace vipward {

enum class VipState : std::uint8_t {
  Init,    // before start(), after shut_down()
  Backup,  // listens
  Active,  // holds the addresses
  Fault,   // listens, and may not claim for a reason of its own
};
inline constexpr std::array<std::string_view, 4> kVipStates{"init", "backup", "active", "fault"};
constexpr std::string_view to_string(VipState state) {
  return kVipStates[static_cast<std::size_t>(state)];
}

enum class Candidacy : std::uint8_t {
  Full,           // may hold the addresses
  IfNobodyHeard,  // the operator gave them away: only after a down interval of silence
  LastResort,     // has a fault but could serve: only after three, an address that refuses beats no address
  None,           // cannot serve, or has no link
};

enum class Failback : std::uint8_t {
  Never,        // RFC Preempt_Mode false
  Immediately,  // RFC Preempt_Mode true
  After,        // once a lower priority has been active for failback_delay without pause
};

// What is advertised while holding the addresses without being a Full candidate. A Full candidate that hears
// it takes over after a down interval, even with Failback::Never: the holder has a fault, or was told to let
// go. So a peer that is configured with this priority counts as such a holder.
inline constexpr std::uint8_t kReluctantPriority = 1;
// The RFC's owner of the address: active at start, always preempts.
inline constexpr std::uint8_t kOwnerPriority = 255;

struct InstanceSettings {
  std::uint8_t priority = 100;
  Duration interval{};           // own advertisements
  IpAddress own;                 // source of our advertisements; breaks ties
  std::vector<IpAddress> peers;  // the others, for the tie at start
  SkewRule skew = SkewRule::SinglePeer;
  Failback failback = Failback::Never;
  Duration failback_delay{};  // Failback::After
  Duration startup_delay{};   // no claim earlier after start and carrier up
};

// An advertisement that passed the decoder and came from a configured peer. interval > 0.
struct HeardAdvertisement {
  std::uint8_t priority = 0;
  Duration interval{};
  IpAddress source;
};

enum class Cause : std::uint8_t {
  Startup,          // start()
  DownTimer,        // the active one fell silent
  PriorityZero,     // the active one let go
  Failback,         // the active one has a lower priority
  HigherPriority,   // while active: another one goes first, by priority or by address
  OwnFault,         // candidacy lost
  OperatorRelease,  // candidacy given away
  NobodyHeard,      // claimed without full candidacy: silence all around
  FaultGone,        // candidacy is back
  Stall,            // we were not running: the peer has taken over meanwhile
  Shutdown,
};
inline constexpr std::array<std::string_view, 11> kCauses{
    "startup",          "down_timer",   "priority_zero", "failback", "higher_priority", "own_fault",
    "operator_release", "nobody_heard", "fault_gone",    "stall",    "shutdown"};
constexpr std::string_view to_string(Cause cause) {
  return kCauses[static_cast<std::size_t>(cause)];
}

struct Transition {
  VipState from = VipState::Init;
  VipState to = VipState::Init;
  Cause cause = Cause::Startup;
  bool operator==(const Transition&) const = default;
};

// What is to be done, in this order.
struct Actions {
  std::optional<Transition> transition;  // from Active: addresses off; to Active: addresses on
  bool tell_release = false;  // from Active: send priority 0. Not after a stall or when another one won
  // From Active, to one that goes first: send kReluctantPriority, to which nobody yields. It may not have
  // heard us at all, and has to tell those neighbours that believed us where the addresses are. keepalived
  // knows it as vrrp_higher_prio_send_advert.
  bool tell_winner = false;
  bool advertise = false;  // send an advertisement now
  bool announce = false;   // start the gratuitous ARPs over
  bool operator==(const Actions&) const = default;

  // `later` came out of the next event of the same turn: what remains to be done after both.
  void merge(const Actions& later);
};

// The last advertisement that claimed the addresses.
struct LastHeard {
  IpAddress source;
  std::uint8_t priority = 0;
  Duration interval{};
  TimePoint at{};
  bool operator==(const LastHeard&) const = default;
};

// Everything that an Instance is and knows beside its settings; names as in Instance.
struct InstanceMemory {
  VipState state = VipState::Init;
  Candidacy candidacy = Candidacy::None;
  Duration learnt{};
  std::optional<LastHeard> last_heard;
  TimePoint active_since{};
  TimePoint last_sent{};
  Duration told{};
  TimePoint advertise_at{};
  std::optional<TimePoint> contested_until;
  TimePoint contested_since{};
  TimePoint quiet_since{};
  bool heard = false;
  bool discarded = false;
  bool released = false;
  TimePoint down_at{};
  std::optional<TimePoint> lower_since;
  std::optional<TimePoint> fault_gone_at;
  TimePoint startup_until{};
  TimePoint stall_until{};
  bool operator==(const InstanceMemory&) const = default;
};

class Instance {
 public:
  using LastHeard = vipward::LastHeard;

  explicit Instance(InstanceSettings settings)
      : settings_(std::move(settings)), learnt_(settings_.interval), told_(settings_.interval) {}
  // One that goes on where the other stopped, to the nanosecond. If `settings` may be others: resume().
  Instance(InstanceSettings settings, const InstanceMemory& memory);
  InstanceMemory memory() const;
  // Before the first event of one made from a memory. Active: an advertisement is due at once, from which the
  // others learn the settings; how long we may have been away is judged by what the last one told them.
  // Listening: what was heard last counts as if these settings had heard it; other timers run on.
  void resume(TimePoint now);

  // vip_was_ours: an earlier life of this host left the address behind on a link that is up: no
  // startup_delay. Candidacy is None until set_candidacy() has said otherwise, before or after this.
  Actions start(TimePoint now, bool vip_was_ours);
  // Packets from our own address are ignored: a reflecting network must not make us answer ourselves.
  Actions on_advertisement(TimePoint now, const HeardAdvertisement& heard);
  Actions on_time(TimePoint now);
  Actions set_candidacy(TimePoint now, Candidacy candidacy);
  // To be called before the candidacy that the link gives back: what follows it is a new start.
  Actions on_carrier_up(TimePoint now);
  void set_own_address(const IpAddress& own) { settings_.own = own; }
  // We are going to be silent for a moment and want to find everything as it is now. While active: one more
  // advertisement, which names `interval` if that is longer than ours, so that the others wait by it (RFC
  // 9568, section 6.4.2, (440)) until they hear the next one.
  Actions advertise_before_pause(TimePoint now, Duration interval);
  Actions shut_down(TimePoint now);

  // After on_time(now) it is later than `now`. nullopt: only an event can change anything.
  std::optional<TimePoint> next_deadline() const;

  VipState state() const { return state_; }
  Candidacy candidacy() const { return candidacy_; }
  // What our advertisements carry now.
  std::uint8_t advertised_priority() const;
  Duration advertised_interval() const { return told_; }
  // The last one that claimed the addresses, whatever became of it.
  const std::optional<LastHeard>& last_heard() const { return last_heard_; }
  // That of the active one as long as we are not; ours until it is heard.
  Duration learnt_interval() const { return learnt_; }
  // Another one claims to be active while we are.
  bool is_contested() const { return contested_until_.has_value(); }
  // And has claimed again although our answer has had its time: it does not hear us. One that gives way may
  // say its own priority once more (keepalived's vrrp_higher_prio_send_advert).
  bool is_unheard() const {
    return contested_until_ && last_heard_ && last_heard_->at - contested_since_ >= last_heard_->interval / 2;
  }

 private:
  Duration down() const { return down_interval(settings_.skew, settings_.priority, learnt_); }
  // Silence of this length ends an episode with another holder, of that interval.
  Duration down_beside(Duration interval) const {
    return down_interval(settings_.skew, settings_.priority, std::max(interval, settings_.interval));
  }
  bool is_listening() const { return state_ == VipState::Backup || state_ == VipState::Fault; }
  VipState resting_state() const;
  // A lower priority that a full candidate does not tolerate as the active one.
  bool may_preempt(std::uint8_t priority) const;
  bool preempts(std::uint8_t priority) const {
    return candidacy_ == Candidacy::Full && may_preempt(priority);
  }
  bool goes_first(const HeardAdvertisement& heard) const;
  bool is_last_word(TimePoint now, const HeardAdvertisement& heard) const;
  bool is_last_word_to_us(TimePoint now, const HeardAdvertisement& heard) const;

  void enter(VipState state, Cause cause, Actions& actions);
  void become_active(TimePoint now, Cause cause, Actions& actions);
  void step_down(TimePoint now, Cause cause, Actions& actions);
  void leave_if_stalled(TimePoint now, Actions& actions);
  void advertise(TimePoint now, Actions& actions);
  void answer(TimePoint now, Actions& actions);

  void hear_while_active(TimePoint now, const HeardAdvertisement& heard, Actions& actions);
  void hear_while_listening(TimePoint now, const HeardAdvertisement& heard);
  void hear_release(TimePoint now, const IpAddress& source);

  void listen_from(TimePoint now);
  void listen_anew(TimePoint now, Duration startup_delay);
  void change_candidacy(TimePoint now, Candidacy before, Actions& actions);
  std::optional<TimePoint> claim_at() const;
  Cause claim_cause(TimePoint now) const;
  void claim_if_due(TimePoint now, Actions& actions);

  InstanceSettings settings_;
  VipState state_ = VipState::Init;
  Candidacy candidacy_ = Candidacy::None;
  Duration learnt_;
  std::optional<LastHeard> last_heard_;

  // Active.
  TimePoint active_since_{};
  TimePoint last_sent_{};
  Duration told_;             // the interval that our last advertisement named
  TimePoint advertise_at_{};  // the RFC's Adver_Timer
  std::optional<TimePoint> contested_until_;
  TimePoint contested_since_{};  // while contested_until_ is set

  // Listening.
  TimePoint quiet_since_{};                 // the last claim heard, or the beginning of listening
  bool heard_ = false;                      // somebody claimed since then and has not let go
  bool discarded_ = false;                  // Preempt_Mode: it left the timers as they were
  bool released_ = false;                   // somebody let go and nobody has claimed since
  TimePoint down_at_{};                     // the RFC's Active_Down_Timer
  std::optional<TimePoint> lower_since_;    // Failback::After: when a lower priority became active
  std::optional<TimePoint> fault_gone_at_;  // candidacy came back and nobody was heard since
  TimePoint startup_until_{};               // start or carrier up: no claim before, unless released_
  TimePoint stall_until_{};                 // after a stall: no claim before, whatever is heard
};

}  // namespace vipward
