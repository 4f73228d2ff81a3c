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
#include "lb/vip/advertisement_sender.h"
#include "lb/vip/announcer.h"
#include "lb/vip/claim_watch.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/contention.h"
#include "lb/vip/instance.h"
#include "lb/vip/keeping.h"
#include "lb/vip/link_watch.h"
#include "lb/vip/own_links.h"
#include "lb/vip/said_once.h"
#include "lb/vip/vip_memory.h"
#include "lb/vip/vip_report.h"
#include "lb/vip/vrrp_ear.h"

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
    // These have been held and are no longer configured: they are off, or were tried to be. Reset who came by
    // way of them. Called within go_on(), at most once.
    std::function<void(const std::vector<IpAddress>&)> on_unconfigured;
    // report() has more to say than other counts.
    std::function<void()> on_change;
  };
  // What an earlier image of this process has left: memory() and vrrp_fd(), which is nobody else's.
  struct Inherited {
    VipMemory memory;
    Fd vrrp_socket;
  };
  // `state_file`: where it is recorded what this instance holds; what an earlier life left behind is removed.
  // Throws std::runtime_error with one sentence that says what is wrong with the set-up. With `inherited`
  // nothing is removed, and only std::system_error is thrown; `config` has passed refusal_of().
  VirtualRouter(Loop& loop, Log& log, const VipConfig& config, std::string state_file, Hooks hooks,
                std::optional<Inherited> inherited = std::nullopt);
  VirtualRouter(const VirtualRouter&) = delete;
  VirtualRouter& operator=(const VirtualRouter&) = delete;

  // Listens from now on; may claim if set_candidacy() has said so.
  void start();
  // Instead of start(), with what was inherited: state and timers are carried on, by the configuration of
  // this object; until then state() and report() say what was. In the order of every turn: what waits in the
  // socket first, then whether we were away for too long; then, if active, an advertisement at once, added
  // addresses on, those that are no longer configured off. Say set_candidacy() before: it changes nothing
  // until now.
  void go_on();
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

  // Why `next` cannot take this configuration's place without a restart; nullopt: it can. Asks what is known
  // of the links now, changes nothing.
  std::optional<std::string> refusal_of(const VipConfig& next) const;
  // The image is about to be replaced: what waits is heard, what is left to say is said, and the addresses'
  // lifetime and the others' patience begin anew. Harmless if it is not replaced after all.
  void prepare_to_leave();
  // For the next image, right after that: what it goes on with, and the socket, which hears meanwhile.
  VipMemory memory() const;
  int vrrp_fd() const { return ear_.fd(); }

 private:
  struct Wish {
    Candidacy candidacy = Candidacy::None;
    std::string why = "no proxy serves yet";
  };

  void recall(const VipMemory& memory);
  void watch();
  void wake_up(Poll& poll, Poll::Ready ready);
  // `pause`: the last one before nobody listens, for so long at the most.
  void turn(std::optional<Duration> pause = std::nullopt);
  void hear(TimePoint now, Actions& actions);
  void follow_links(TimePoint now, Actions& actions);
  Wish effective_wish() const;
  std::optional<std::string> password_refusal(const VipConfig& next) const;
  void apply(TimePoint now, const Actions& actions);
  void take(TimePoint now, const Transition& transition);
  void say_farewell();
  // So much of this turn has passed that the peer may have taken over meanwhile: nothing is sent before the
  // next.
  bool is_late(TimePoint now) const { return loop_.now() - now > config_.advertise_interval; }
  void give_up(TimePoint now, const Transition& transition, bool tell_release);
  void enter(const Transition& transition, std::span<const LogField> phases, std::string reason);
  void advertise(TimePoint now, std::uint8_t priority);
  std::string warning() const;
  void arm(TimePoint now);
  void say(bool changed);

  Loop& loop_;
  Log& log_;
  const VipConfig config_;
  const std::optional<VrrpPassword> password_;
  std::vector<IpAddress> addresses_;  // that are held
  Hooks hooks_;
  LinkWatch links_;
  OwnLinks own_links_;
  ConflictWatch foreign_;
  VrrpEar ear_;
  AdvertisementSender sender_;
  Announcer announcer_;
  ClaimWatch claims_;
  Keeping keeping_;
  Instance instance_;
  Contention contention_;
  SaidOnce contention_said_;
  Wish wish_;
  bool running_ = false;  // since start() or go_on()
  bool farewell_pending_ = false;
  bool changed_ = false;

  std::optional<WallTime> since_;
  std::string reason_ = "waiting for the first proxy";
  std::optional<WallTime> peer_heard_at_;
  std::uint64_t peer_claims_ = 0;  // of peers that are active beside us
  bool links_followed_ = false;    // by this object, at least once
  bool links_usable_ = false;
  bool vip_was_ours_ = false;  // when this life began
  TimePoint armed_for_{};      // what the timer was armed for last
  bool claim_heard_ = false;   // since the last change of our own state
  TimePoint farewell_due_{};
  VipCounters counters_;  // of this image
  VipCounters earlier_;   // of those before

  Poll socket_poll_;
  Poll links_poll_;
  Poll claims_poll_;
  std::optional<Poll> ndisc_claims_poll_;
  Timer timer_;
  Timer farewell_;
};

}  // namespace vipward
