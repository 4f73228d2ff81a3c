#include "lb/vip/virtual_router.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "lb/vip/reason_text.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Between the two packets of priority 0: one may be lost, and the second is too late to do harm.
constexpr Duration kFarewellPause = 2ms;
// How soon an address that the kernel refused is tried again.
constexpr Duration kKeepingRetry = 1s;
constexpr Duration kLongestKeepingRetry = 60s;
// Datagrams heard in one turn at most: more than the kernel queues for a socket, so that all that waited is
// heard, and a flood still cannot keep the clock from being looked at.
constexpr int kMostDatagrams = 1024;
// Longer than any advertisement of 255 addresses with its IP header.
constexpr std::size_t kDatagramBytes = 2048;

std::vector<IpAddress> hosts_of(const std::vector<Cidr>& addresses) {
  std::vector<IpAddress> hosts;
  for (const Cidr& cidr : addresses) hosts.push_back(cidr.address);
  return hosts;
}

// Long enough to live through three intervals without us, and whole seconds, as the kernel counts.
std::chrono::seconds lifetime_of(const VipConfig& config) {
  return config.address_lifetime.value_or(
      std::chrono::ceil<std::chrono::seconds>(3 * config.advertise_interval));
}

InstanceSettings settings_of(const VipConfig& config, const OwnLinks& links, const IpAddress& own) {
  InstanceSettings settings;
  settings.priority = static_cast<std::uint8_t>(config.priority);
  settings.interval = config.advertise_interval;
  settings.own = own;
  settings.peers = links.others();
  settings.skew = SkewRule::SinglePeer;
  settings.failback = config.failback == FailbackMode::Never         ? Failback::Never
                      : config.failback == FailbackMode::Immediately ? Failback::Immediately
                                                                     : Failback::After;
  settings.failback_delay = config.failback_delay;
  settings.startup_delay = config.startup_delay;
  return settings;
}

std::string mac_text(const MacAddress& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

std::int64_t microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

VirtualRouter::VirtualRouter(Loop& loop, Log& log, const VipConfig& config, std::string state_file,
                             Hooks hooks)
    : loop_(loop),
      log_(log),
      config_(config),
      addresses_(hosts_of(config.addresses)),
      hooks_(std::move(hooks)),
      own_links_(config, links_.table()),
      reader_(log, foreign_, config, own_links_.others()),
      announcer_(addresses_, config.garp_refresh),
      keeper_({.addresses = addresses_,
               .interface = own_links_.interface(),
               .lifetime = lifetime_of(config),
               .state_file = std::move(state_file)},
              links_),
      instance_(settings_of(config, own_links_, own_links_.source(links_.table()).value_or(IpAddress()))),
      socket_poll_(loop, socket_.fd(), [this](Poll::Ready ready) { wake_up(socket_poll_, ready); }),
      links_poll_(loop, links_.fd(), [this](Poll::Ready ready) { wake_up(links_poll_, ready); }),
      claims_poll_(loop, announcer_.fd(), [this](Poll::Ready ready) { wake_up(claims_poll_, ready); }),
      timer_(loop, [this] { turn(); }),
      farewell_(loop, [this] { say_farewell(); }) {
  if (const auto holding = keeper_.foreign_holding()) throw std::runtime_error("vip.addresses: " + *holding);
  remove_left_overs();
}

void VirtualRouter::remove_left_overs() {
  const AddressKeeper::LeftOvers left = keeper_.remove_left_overs();
  for (const RecordedAddress& address : left.removed) {
    log_.warn("address left behind by an earlier life removed",
              {{"address", address.address.to_string()}, {"interface", address.interface}});
  }
  if (left.problem) log_.error("address left behind cannot be removed", {{"error", *left.problem}});
  vip_was_ours_ = left.were_usable;
}

void VirtualRouter::start() {
  const TimePoint now = loop_.now();
  for (Poll* poll : {&socket_poll_, &links_poll_, &claims_poll_}) poll->watch({.read = true});
  if (own_links_.others().empty()) {
    log_.warn("vip.peers names no other host, nobody takes over when this one fails");
  }
  links_.drain(now);
  Actions actions;
  follow_links(now, actions);
  actions.merge(instance_.set_candidacy(now, effective_wish().candidacy));
  actions.merge(instance_.start(now, vip_was_ours_));
  apply(now, actions);
  turn();
}

void VirtualRouter::set_candidacy(Candidacy candidacy, std::string why) {
  if (wish_.candidacy == candidacy && wish_.why == why) return;
  wish_ = {.candidacy = candidacy, .why = std::move(why)};
  if (instance_.state() != VipState::Init) turn();
}

void VirtualRouter::shut_down() {
  const TimePoint now = loop_.now();
  Actions actions;
  hear(now, actions);
  actions.merge(instance_.shut_down(now));
  apply(now, actions);
  arm(now);
  say(true);
}

void VirtualRouter::wake_up(Poll& poll, Poll::Ready ready) {
  turn();
  // An overrun, an interface that went: libuv has stopped watching.
  if (ready.failed) poll.watch({.read = true});
}

void VirtualRouter::turn() {
  const TimePoint now = loop_.now();
  Actions actions;
  hear(now, actions);
  if (links_.drain(now)) follow_links(now, actions);
  if (keeping_retry_at_ && now >= *keeping_retry_at_) keeping_retry_at_.reset();
  const Wish wish = effective_wish();
  if (instance_.state() == VipState::Fault && reason_ != wish.why) {
    reason_ = wish.why;
    changed_ = true;
  }
  actions.merge(instance_.set_candidacy(now, wish.candidacy));
  actions.merge(instance_.on_time(now));
  apply(now, actions);
  keep(now);
  hear_claims(now);
  if (!is_late(now)) announcer_.send_due(now);
  arm(now);
  say(false);
}

void VirtualRouter::hear(TimePoint now, Actions& actions) {
  const std::optional<IpAddress> own = own_links_.source(links_.table());
  std::array<std::uint8_t, kDatagramBytes> buffer;
  for (int i = 0; i < kMostDatagrams; ++i) {
    const auto size = socket_.receive(buffer);
    if (!size) return;
    const auto heard = reader_.read(now, std::span(buffer).first(*size), own);
    if (!heard) continue;
    peer_heard_at_ = std::chrono::system_clock::now();
    if (heard->priority != 0) {
      if (!std::exchange(claim_heard_, true)) changed_ = true;
      if (instance_.state() == VipState::Active) ++peer_claims_;
    }
    actions.merge(instance_.on_advertisement(now, *heard));
  }
}

void VirtualRouter::follow_links(TimePoint now, Actions& actions) {
  const LinkTable& table = links_.table();
  const Link* link = table.find(own_links_.interface());
  const unsigned index = link != nullptr ? link->index : 0;
  const bool is_new = index != 0 && index != socket_.interface();
  if (is_new || (index == 0 && socket_.interface() != 0)) {
    if (const auto problem = socket_.attach(own_links_.interface(), index)) {
      log_.error("cannot listen for VRRP", {{"error", *problem}});
    }
  }
  announcer_.attach(link);
  if (const auto source = own_links_.source(table)) instance_.set_own_address(*source);
  const bool usable = own_links_.interface_fault(table).empty();
  if (usable && !std::exchange(links_usable_, usable) && instance_.state() != VipState::Init) {
    actions.merge(instance_.on_carrier_up(now));
  }
  links_usable_ = usable;
}

VirtualRouter::Wish VirtualRouter::effective_wish() const {
  const auto fault = [](Candidacy candidacy, std::string why) { return Wish{candidacy, std::move(why)}; };
  if (auto why = own_links_.interface_fault(links_.table()); !why.empty())
    return fault(Candidacy::None, std::move(why));
  if (keeping_retry_at_) return fault(Candidacy::None, keeping_problem_);
  auto why = own_links_.tracked_fault(links_.table());
  if (!why.empty() && wish_.candidacy < Candidacy::LastResort)
    return fault(Candidacy::LastResort, std::move(why));
  return wish_;
}

void VirtualRouter::apply(TimePoint now, const Actions& actions) {
  if (actions.transition) {
    const Transition& transition = *actions.transition;
    if (transition.from == VipState::Active) {
      give_up(now, transition, actions.tell_release);
    } else if (transition.to == VipState::Active) {
      take(now, transition);
      return;  // advertised and announced there, with the times noted
    } else {
      enter(transition, {}, reason_text(transition, instance_.last_heard(), now, effective_wish().why));
    }
  }
  if (actions.advertise) advertise(now, instance_.advertised_priority());
  if (actions.announce) announcer_.restart(now);
}

// The address first: who hears of us shall find us.
void VirtualRouter::take(TimePoint now, const Transition& transition) {
  farewell_.cancel();  // a late one would call the peer
  farewell_pending_ = false;
  const std::string reason = reason_text(transition, instance_.last_heard(), now, effective_wish().why);
  const auto heard = instance_.last_heard();
  hooks_.on_taking();
  if (const auto problem = keeper_.add(now)) return fail_to_take(now, transition, *problem);
  keeping_pause_ = {};
  const TimePoint address_on = loop_.now();
  announcer_.start(now);
  // The kernel may have kept us waiting for longer than the peer waits: then the next turn hears first.
  if (!is_late(now)) {
    advertise(now, instance_.advertised_priority());
    announcer_.send_due(now);
  }
  const TimePoint announced = loop_.now();
  std::vector<LogField> phases;
  if (heard) phases.emplace_back("last_advertisement_us", microseconds(now - heard->at));
  if (transition.cause == Cause::DownTimer)
    phases.emplace_back("timer_late_us", microseconds(now - armed_for_));
  phases.emplace_back("address_on_us", microseconds(address_on - now));
  phases.emplace_back("announced_us", microseconds(announced - now));
  enter(transition, phases, reason);
}

// Nothing was said, so nobody need be told.
void VirtualRouter::fail_to_take(TimePoint now, const Transition& transition, const std::string& problem) {
  keeper_.remove(now);
  refuse_to_keep(now, problem);
  instance_.set_candidacy(now, Candidacy::None);
  enter({.from = transition.from, .to = instance_.state(), .cause = Cause::OwnFault}, {}, problem);
}

// DESIGN: stop accepting, address off, priority 0, and only then reset the sessions.
void VirtualRouter::give_up(TimePoint now, const Transition& transition, bool tell_release) {
  const std::string reason = reason_text(transition, instance_.last_heard(), now, effective_wish().why);
  hooks_.on_giving_up();
  const auto problem = keeper_.remove(now);
  if (problem) log_.error("the address cannot be removed", {{"error", *problem}});
  const TimePoint address_off = loop_.now();
  announcer_.stop();
  if (tell_release) {
    advertise(now, 0);
    farewell_pending_ = true;
    farewell_due_ = now + kFarewellPause;
    farewell_.arm_at(farewell_due_);
  }
  hooks_.on_given_up(!problem);
  const std::vector<LogField> phases{{"address_off_us", microseconds(address_off - now)},
                                     {"told_us", microseconds(loop_.now() - now)}};
  enter(transition, phases, reason);
}

// One that is late would meet a peer that has taken over, or be heard after a pause of ours.
void VirtualRouter::say_farewell() {
  farewell_pending_ = false;
  if (!is_late(farewell_due_)) advertise(loop_.now(), 0);
  hooks_.on_change();
}

void VirtualRouter::enter(const Transition& transition, std::span<const LogField> phases,
                          std::string reason) {
  ++counters_.transitions[static_cast<std::size_t>(transition.to)];
  since_ = std::chrono::system_clock::now();
  reason_ = std::move(reason);
  changed_ = true;
  claim_heard_ = false;
  std::vector<LogField> fields{{"vrid", static_cast<unsigned>(config_.virtual_router_id)},
                               {"from", to_string(transition.from)},
                               {"to", to_string(transition.to)},
                               {"cause", to_string(transition.cause)},
                               {"reason", reason_}};
  fields.insert(fields.end(), phases.begin(), phases.end());
  log_.write(LogLevel::Info, "vip state changed", fields);
}

void VirtualRouter::advertise(TimePoint now, std::uint8_t priority) {
  const auto own = own_links_.source(links_.table());
  if (!own) return;  // a fault that is said already
  const ChecksumForm form =
      config_.checksum == VrrpChecksum::Rfc9568 ? ChecksumForm::Rfc9568 : ChecksumForm::PseudoHeader;
  for (const IpAddress& peer : own_links_.others()) {
    const auto message = encode({.vrid = config_.virtual_router_id,
                                 .priority = priority,
                                 .interval = config_.advertise_interval,
                                 .addresses = addresses_},
                                *own, peer, form);
    const int error = socket_.send(*own, peer, message);
    if (error == 0) ++counters_.advertisements_sent;
    if (error != 0 && said_.may_say("send " + std::to_string(error), now)) {
      log_.warn("advertisement not sent",
                {{"peer", peer.to_string()}, {"error", std::generic_category().message(error)}});
    }
  }
}

void VirtualRouter::keep(TimePoint now) {
  if (keeper_.repair()) {
    announcer_.restart(now);
    log_.warn("address was removed by somebody else and is back", {{"restored", keeper_.restored()}});
    changed_ = true;
  }
  keeper_.renew(now);
  if (!keeper_.is_holding() || keeper_.is_complete()) {
    incomplete_since_.reset();
  } else if (now - incomplete_since_.value_or(now) >= kKeepingRetry) {
    // The kernel takes it no more: let the peer have it.
    incomplete_since_.reset();
    refuse_to_keep(now, "an address cannot be put back");
  } else if (!incomplete_since_) {
    incomplete_since_ = now;
  }
}

// Once more after a pause that grows: each attempt costs the peer its turn.
void VirtualRouter::refuse_to_keep(TimePoint now, const std::string& problem) {
  keeping_problem_ = problem;
  keeping_pause_ = std::clamp(keeping_pause_ * 2, Duration(kKeepingRetry), Duration(kLongestKeepingRetry));
  keeping_retry_at_ = now + keeping_pause_;
  log_.error("the address cannot be kept", {{"error", problem}});
}

void VirtualRouter::hear_claims(TimePoint now) {
  foreign_.expire(now);
  for (const ForeignClaim& claim : announcer_.drain(links_.table())) {
    if (instance_.state() != VipState::Active) continue;
    on_conflict(now, claim.address.to_string() + " is claimed by " + mac_text(claim.mac) + " as well");
    announcer_.restart(now);
  }
  if (announcer_.failed() != announcements_failed_ && said_.may_say("announcement", now)) {
    log_.warn("announcement not sent", {{"error", std::generic_category().message(announcer_.last_error())}});
  }
  announcements_failed_ = announcer_.failed();
}

void VirtualRouter::on_conflict(TimePoint now, const std::string& who) {
  if (foreign_.observe(now, who))
    log_.error("another holder of the address shows itself", {{"conflict", who}});
}

std::optional<Instance::LastHeard> VirtualRouter::claimed_since(TimePoint moment) const {
  const auto& heard = instance_.last_heard();
  return heard && heard->at >= moment ? heard : std::nullopt;
}

VipReport VirtualRouter::report() const {
  VipReport report;
  report.virtual_router_id = config_.virtual_router_id;
  report.priority = instance_.advertised_priority();
  report.state = instance_.state();
  report.addresses = config_.addresses;
  report.interface = own_links_.interface();
  report.since = since_;
  report.reason = reason_;
  if (const auto& heard = instance_.last_heard()) {
    report.peer = heard->source;
    report.peer_heard_at = peer_heard_at_;
  }
  report.contested = is_contested();
  report.warning = warning();
  report.counters = counters_;
  report.counters.advertisements_received = reader_.received();
  report.counters.rejected = reader_.rejected();
  report.counters.conflicts = foreign_.count() + peer_claims_;
  report.counters.restored = keeper_.restored();
  report.counters.announcements = announcer_.sent();
  return report;
}

std::string VirtualRouter::warning() const {
  if (foreign_.is_under_way()) return foreign_.last();
  if (instance_.is_contested()) {
    return instance_.last_heard()->source.to_string() +
           " is active as well: it does not hear this host, look for a packet filter that stops protocol 112";
  }
  if (wish_.candidacy == Candidacy::IfNobodyHeard) return wish_.why + ", no candidate until resume";
  if (keeper_.state_file_problem()) return *keeper_.state_file_problem();
  return "";
}

void VirtualRouter::arm(TimePoint now) {
  std::optional<TimePoint> next;
  const auto consider = [&](const std::optional<TimePoint>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(instance_.next_deadline());
  consider(links_.next_deadline());
  consider(keeper_.next_deadline());
  consider(announcer_.next_deadline());
  consider(keeping_retry_at_);
  consider(foreign_.next_deadline());
  if (!next) return timer_.cancel();
  armed_for_ = std::max(*next, now);
  timer_.arm_at(*next);
}

void VirtualRouter::say(bool changed) {
  const bool contested = is_contested();
  if (std::exchange(was_contested_, contested) != contested) changed_ = true;
  if (std::exchange(changed_, false) || changed) hooks_.on_change();
}

}  // namespace vipward
