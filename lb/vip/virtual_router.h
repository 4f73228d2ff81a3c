// One virtual router (RFC 9568): the VIPs, the state machine that decides who holds them, and the sockets
// that tell the world. Owner: the GuardianApp; its loop. Whatever wakes it - a packet, a netlink event, an
// ARP frame, the timer, a command - goes through turn(), in one order: what waits in the VRRP socket is heard
// first, then the clock is believed, so that after a pause of our own nothing is sent or restored before we
// know that we were away.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "config/config.h"
#include "lb/event/loop.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/log/log.h"
#include "lb/vip/address_keeper.h"
#include "lb/vip/advertisement_reader.h"
#include "lb/vip/announcer.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/instance.h"
#include "lb/vip/link_watch.h"
#include "lb/vip/own_links.h"
#include "lb/vip/said_once.h"
#include "lb/vip/vip_report.h"
#include "lb/vip/vrrp_socket.h"

namespace vipward {

class VirtualRouter {
 public:
  struct Hooks {
    // The addresses are about to be set: clients will come. Called within turn(); report() says active.
    std::function<void()> on_taking;
    // The addresses are about to go: refuse new clients there. Called within turn().
    std::function<void()> on_giving_up;
    // The peer has been told: reset who came by way of them. False: the kernel has not removed an address
    // yet.
    std::function<void(bool addresses_are_off)> on_given_up;
    // report() has more to say than other counts.
    std::function<void()> on_change;
  };
  // `state_file`: where it is recorded what this instance holds; what an earlier life left behind is removed.
  // Throws std::runtime_error with one sentence that says what is wrong with the set-up.
  VirtualRouter(Loop& loop, Log& log, const VipConfig& config, std::string state_file, Hooks hooks);
  VirtualRouter(const VirtualRouter&) = delete;
  VirtualRouter& operator=(const VirtualRouter&) = delete;

  // Listens from now on; may claim if set_candidacy() has said so.
  void start();
  // What the rest of this host allows; the state of the links comes on top. `why` is empty for Full.
  void set_candidacy(Candidacy candidacy, std::string why);
  // Gives the addresses up for good. is_silent() once the last word has been sent.
  void shut_down();
  bool is_silent() const { return !farewell_pending_; }

  VipState state() const { return instance_.state(); }
  Candidacy candidacy() const { return instance_.candidacy(); }
  // The last claim of a peer, if it was heard at `moment` or later. The first one after each change of our
  // own state makes on_change be called.
  std::optional<Instance::LastHeard> claimed_since(TimePoint moment) const;
  VipReport report() const;

 private:
  struct Wish {
    Candidacy candidacy = Candidacy::None;
    std::string why = "no proxy serves yet";
  };

  void remove_left_overs();
  void wake_up(Poll& poll, Poll::Ready ready);
  void turn();
  void hear(TimePoint now, Actions& actions);
  void follow_links(TimePoint now, Actions& actions);
  Wish effective_wish() const;
  void apply(TimePoint now, const Actions& actions);
  void take(TimePoint now, const Transition& transition);
  void fail_to_take(TimePoint now, const Transition& transition, const std::string& problem);
  void say_farewell();
  // So much of this turn has passed that the peer may have taken over meanwhile: nothing is sent before the
  // next.
  bool is_late(TimePoint now) const { return loop_.now() - now > config_.advertise_interval; }
  void give_up(TimePoint now, const Transition& transition, bool tell_release);
  void enter(const Transition& transition, std::span<const LogField> phases, std::string reason);
  void advertise(TimePoint now, std::uint8_t priority);
  void keep(TimePoint now);
  void hear_claims(TimePoint now);
  void refuse_to_keep(TimePoint now, const std::string& problem);
  void on_conflict(TimePoint now, const std::string& who);
  bool is_contested() const { return instance_.is_contested() || foreign_.is_under_way(); }
  std::string warning() const;
  void arm(TimePoint now);
  void say(bool changed);

  Loop& loop_;
  Log& log_;
  const VipConfig config_;
  std::vector<IpAddress> addresses_;
  Hooks hooks_;
  LinkWatch links_;
  OwnLinks own_links_;
  ConflictWatch foreign_;
  AdvertisementReader reader_;
  VrrpSocket socket_;
  Announcer announcer_;
  AddressKeeper keeper_;
  Instance instance_;
  Wish wish_;
  bool farewell_pending_ = false;
  bool changed_ = false;

  std::optional<WallTime> since_;
  std::string reason_ = "waiting for the first proxy";
  std::optional<WallTime> peer_heard_at_;
  std::uint64_t peer_claims_ = 0;              // of a peer while we are active
  std::optional<TimePoint> incomplete_since_;  // an address that is held is not there
  std::uint64_t announcements_failed_ = 0;
  std::string keeping_problem_;                // the kernel refused an address
  std::optional<TimePoint> keeping_retry_at_;  // no candidate until then
  bool links_usable_ = false;
  bool vip_was_ours_ = false;  // when this life began
  TimePoint armed_for_{};      // what the timer was armed for last
  bool was_contested_ = false;
  bool claim_heard_ = false;  // since the last change of our own state
  TimePoint farewell_due_{};
  Duration keeping_pause_{};  // before the next attempt to set an address that the kernel refused
  VipCounters counters_;
  SaidOnce said_;

  Poll socket_poll_;
  Poll links_poll_;
  Poll claims_poll_;
  Timer timer_;
  Timer farewell_;
};

}  // namespace vipward
