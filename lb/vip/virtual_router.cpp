#include "lb/vip/virtual_router.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "config/difference.h"
#include "config/vip_family.h"
#include "lb/vip/reason_text.h"
#include "lb/vip/v2_password.h"
#include "lb/vip/vip_settings.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Between the two packets of priority 0: one may be lost, and the second is too late to do harm.
constexpr Duration kFarewellPause = 2ms;
// What the last advertisement before a re-execution names at least: the next image takes tens of milliseconds
// to speak, for which the others must have patience.
constexpr Duration kPause = 200ms;

// Throws std::runtime_error with what is wrong with the file.
std::optional<VrrpPassword> password_of(const VipConfig& config) {
  if (!config.v2_password_file) return std::nullopt;
  const auto read = read_v2_password(*config.v2_password_file);
  if (const auto* problem = std::get_if<std::string>(&read)) throw std::runtime_error(*problem);
  return std::get<VrrpPassword>(read);
}

constexpr unsigned kLinkLocalPrefix = 64;
// A network that reflects our packets has done so by then.
constexpr Duration kReflection = 1s;

std::int64_t microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// By which another router of this instance may claim an address before it is heard: only those that speak
// multicast hold it by that MAC, and over IPv4 they advertise first.
std::optional<MacAddress> router_mac_of(const VipConfig& config) {
  if (!is_multicast(config) || family_of(config) != AF_INET6) return std::nullopt;
  return MacAddress{0x00, 0x00, 0x5e, 0x00, 0x02, config.virtual_router_id};
}

}  // namespace

VirtualRouter::VirtualRouter(Loop& loop, Log& log, const VipConfig& config, std::string state_file,
                             Hooks hooks, std::optional<Inherited> inherited)
    : loop_(loop),
      log_(log),
      config_(config),
      password_(inherited ? inherited->memory.password : password_of(config)),
      addresses_(held_addresses(config)),
      hooks_(std::move(hooks)),
      own_links_(inherited ? OwnLinks(config, links_.table(), inherited->memory.interface,
                                      inherited->memory.own_peers)
                           : OwnLinks(config, links_.table())),
      ear_(log, foreign_,
           {.family = family_of(config),
            .needs_group = is_multicast(config),
            .interface = own_links_.interface(),
            .reading = {.dialect = dialect_of(config, password_),
                        .addresses = advertised_addresses(config),
                        .peers = is_multicast(config) ? std::nullopt : std::optional(own_links_.others())}},
           inherited ? std::optional(VrrpEar::Inherited{std::move(inherited->vrrp_socket),
                                                        inherited->memory.socket_interface})
                     : std::nullopt),
      sender_(log, ear_.socket(),
              {.dialect = dialect_of(config, password_),
               .addresses = advertised_addresses(config),
               .destinations =
                   is_multicast(config) ? std::vector{vrrp_group(family_of(config))} : own_links_.others()}),
      announcer_(addresses_, config.garp_refresh),
      claims_(log, announcer_, foreign_, router_mac_of(config)),
      keeping_(log,
               {.addresses = addresses_,
                .interface = own_links_.interface(),
                .lifetime = lifetime_of(config),
                .state_file = std::move(state_file)},
               links_),
      instance_(settings_of(config, own_links_, own_links_.source(links_.table()).value_or(IpAddress()))),
      contention_(config_, instance_, foreign_, ear_.reader()),
      socket_poll_(loop, ear_.fd(), [this](Poll::Ready ready) { wake_up(socket_poll_, ready); }),
      links_poll_(loop, links_.fd(), [this](Poll::Ready ready) { wake_up(links_poll_, ready); }),
      claims_poll_(loop, announcer_.fd(), [this](Poll::Ready ready) { wake_up(claims_poll_, ready); }),
      timer_(loop, [this] { turn(); }),
      farewell_(loop, [this] { say_farewell(); }) {
  if (const auto fd = announcer_.ndisc_fd())
    ndisc_claims_poll_.emplace(loop, *fd, [this](Poll::Ready ready) { wake_up(*ndisc_claims_poll_, ready); });
  if (inherited) {
    recall(inherited->memory);
    return;
  }
  const auto holding = foreign_holding(links_.table(), addresses_, own_links_.interface());
  if (holding) throw std::runtime_error("vip.addresses: " + *holding);
  vip_was_ours_ = keeping_.remove_left_overs();
}

void VirtualRouter::recall(const VipMemory& memory) {
  const auto own = own_links_.source(links_.table()).value_or(memory.source.value_or(IpAddress()));
  instance_ = Instance(settings_of(config_, own_links_, own), memory.instance);
  announcer_.go_on(memory.announcing);
  keeping_.go_on(loop_.now(), memory.keeping);
  foreign_.go_on(memory.conflict);
  // Of one that spoke as this one does: what was wrong may be what has been mended.
  const bool speaks_alike =
      memory.interval == config_.advertise_interval && memory.advertised == advertised_addresses(config_);
  ear_.recall(speaks_alike ? memory.last_explained : std::nullopt, memory.arrived_at);
  wish_ = {.candidacy = memory.wish, .why = memory.wish_why};
  links_usable_ = memory.links_usable;
  since_ = memory.since;
  reason_ = memory.reason;
  peer_heard_at_ = memory.peer_heard_at;
  earlier_ = memory.counters;
  contention_.listen_from(loop_.now());
  contention_.has_changed(loop_.now());  // what it is now was said
}

void VirtualRouter::watch() {
  running_ = true;
  contention_.listen_from(loop_.now());
  for (Poll* poll : {&socket_poll_, &links_poll_, &claims_poll_}) poll->watch({.read = true});
  if (ndisc_claims_poll_) ndisc_claims_poll_->watch({.read = true});
  if (own_links_.others().empty() && !is_multicast(config_)) {
    log_.warn("vip.peers names no other host, nobody takes over when this one fails");
  }
}

void VirtualRouter::start() {
  const TimePoint now = loop_.now();
  watch();
  links_.drain(now);
  Actions actions;
  follow_links(now, actions);
  actions.merge(instance_.set_candidacy(now, effective_wish().candidacy));
  actions.merge(instance_.start(now, vip_was_ours_));
  apply(now, actions);
  turn();
}

void VirtualRouter::go_on() {
  if (instance_.state() == VipState::Init) return start();  // nothing to go on with
  const TimePoint now = loop_.now();
  const std::vector<IpAddress> surplus = keeping_.surplus();
  if (const auto due = instance_.next_deadline()) armed_for_ = *due;
  watch();
  instance_.resume(now);
  turn();
  if (surplus.empty()) return;
  keeping_.drop_surplus(loop_.now());
  hooks_.on_unconfigured(surplus);
  arm(loop_.now());
}

std::optional<std::string> VirtualRouter::refusal_of(const VipConfig& next) const {
  if (auto refusal = own_links_.refusal_of(next, links_.table())) return refusal;
  if (auto refusal = password_refusal(next)) return refusal;
  const auto holding = foreign_holding(links_.table(), held_addresses(next), own_links_.interface());
  return holding ? "vip.addresses: " + *holding : holding;
}

std::optional<std::string> VirtualRouter::password_refusal(const VipConfig& next) const {
  std::optional<VrrpPassword> password;
  if (next.v2_password_file) {
    const auto read = read_v2_password(*next.v2_password_file);
    if (const auto* problem = std::get_if<std::string>(&read)) return *problem;
    password = std::get<VrrpPassword>(read);
  }
  if (password == password_) return std::nullopt;
  return "vip.v2_password_file: another password: " + std::string(config::kOtherSpeech);
}

void VirtualRouter::prepare_to_leave() {
  if (!running_) return;
  turn(kPause);
  keeping_.renew_now(loop_.now());
  if (!farewell_pending_) return;
  farewell_.cancel();
  say_farewell();
}

VipMemory VirtualRouter::memory() const {
  return {.interface = own_links_.interface(),
          .own_peers = own_links_.own(),
          .source = own_links_.source(links_.table()),
          .password = password_,
          .interval = config_.advertise_interval,
          .advertised = advertised_addresses(config_),
          .socket_interface = ear_.index(),
          .links_usable = links_usable_,
          .wish = wish_.candidacy,
          .wish_why = wish_.why,
          .instance = instance_.memory(),
          .announcing = announcer_.memory(),
          .keeping = keeping_.memory(),
          .conflict = foreign_.memory(),
          .last_explained = ear_.reader().last_explained(),
          .arrived_at = ear_.reader().arrived_at(),
          .counters = report().counters,
          .since = since_,
          .reason = reason_,
          .peer_heard_at = peer_heard_at_};
}

void VirtualRouter::set_candidacy(Candidacy candidacy, std::string why) {
  if (wish_.candidacy == candidacy && wish_.why == why) return;
  wish_ = {.candidacy = candidacy, .why = std::move(why)};
  if (running_ && instance_.state() != VipState::Init) turn();
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

void VirtualRouter::turn(std::optional<Duration> pause) {
  const TimePoint now = loop_.now();
  Actions actions;
  hear(now, actions);
  const bool has_news = links_.drain(now) || !std::exchange(links_followed_, true);
  if (has_news || ear_.is_due(now)) follow_links(now, actions);
  keeping_.expire(now);
  const Wish wish = effective_wish();
  if (instance_.state() == VipState::Fault && reason_ != wish.why) {
    reason_ = wish.why;
    changed_ = true;
  }
  actions.merge(instance_.set_candidacy(now, wish.candidacy));
  actions.merge(instance_.on_time(now));
  // In one packet: of two the network might deliver the longer patience first.
  if (pause) actions.merge(instance_.advertise_before_pause(now, *pause));
  apply(now, actions);
  if (keeping_.keep(now)) {
    announcer_.restart(now);
    changed_ = true;
  }
  foreign_.expire(now);
  ear_.expire(now);
  claims_.look(now, links_.table());
  if (!is_late(now)) announcer_.send_due(now);
  arm(now);
  say(false);
}

void VirtualRouter::hear(TimePoint now, Actions& actions) {
  const auto& sent = sender_.last_sent();
  const AdvertisementReader::Own own{
      .source = own_links_.source(links_.table()),
      .may_be_reflected = instance_.state() == VipState::Active || (sent && now - *sent < kReflection)};
  ear_.hear(now, own, [&](const HeardAdvertisement& heard) {
    peer_heard_at_ = std::chrono::system_clock::now();
    if (heard.priority != 0) {
      if (!std::exchange(claim_heard_, true)) changed_ = true;
    }
    const bool was_active = instance_.state() == VipState::Active;
    actions.merge(instance_.on_advertisement(now, heard));
    const bool gave_way = was_active && instance_.state() != VipState::Active;
    if (heard.priority != 0 && (gave_way || instance_.is_contested())) ++peer_claims_;
  });
}

void VirtualRouter::follow_links(TimePoint now, Actions& actions) {
  const LinkTable& table = links_.table();
  const Link* link = table.find(own_links_.interface());
  const unsigned index = link != nullptr ? link->index : 0;
  const bool usable = own_links_.interface_fault(table).empty();
  ear_.follow(now, index, usable && !links_usable_);
  announcer_.attach(table, own_links_.interface());
  if (const auto source = own_links_.source(table)) instance_.set_own_address(*source);
  if (usable && !std::exchange(links_usable_, usable) && instance_.state() != VipState::Init) {
    actions.merge(instance_.on_carrier_up(now));
  }
  links_usable_ = usable;
}

VirtualRouter::Wish VirtualRouter::effective_wish() const {
  auto why = own_links_.interface_fault(links_.table());
  if (why.empty()) why = ear_.fault();
  if (!why.empty()) return {Candidacy::None, std::move(why)};
  if (const std::string* refused = keeping_.fault()) return {Candidacy::None, *refused};
  why = own_links_.tracked_fault(links_.table());
  if (!why.empty() && wish_.candidacy < Candidacy::LastResort) return {Candidacy::LastResort, std::move(why)};
  return wish_;
}

void VirtualRouter::apply(TimePoint now, const Actions& actions) {
  if (actions.transition) {
    const Transition& transition = *actions.transition;
    if (transition.from == VipState::Active) {
      give_up(now, transition, actions.tell_release);
      if (actions.tell_winner) advertise(now, kReluctantPriority);
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
  if (const auto problem = keeping_.take(now)) {
    // Nothing was said, so nobody need be told.
    instance_.set_candidacy(now, Candidacy::None);
    enter({.from = transition.from, .to = instance_.state(), .cause = Cause::OwnFault}, {}, *problem);
    return;
  }
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

// DESIGN: stop accepting, address off, priority 0, and only then reset the sessions.
void VirtualRouter::give_up(TimePoint now, const Transition& transition, bool tell_release) {
  const std::string reason = reason_text(transition, instance_.last_heard(), now, effective_wish().why);
  hooks_.on_giving_up();
  const bool is_off = keeping_.give_up(now);
  const TimePoint address_off = loop_.now();
  announcer_.stop();
  if (tell_release) {
    advertise(now, 0);
    farewell_pending_ = true;
    farewell_due_ = now + kFarewellPause;
    farewell_.arm_at(farewell_due_);
  }
  hooks_.on_given_up(is_off);
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
  // Without an address there is a fault, which is said already.
  if (const auto own = own_links_.source(links_.table()))
    sender_.send(now, *own, priority, instance_.advertised_interval());
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
  // The link-local one that nobody configured.
  if (addresses_.size() > report.addresses.size()) {
    report.addresses.insert(report.addresses.begin(), Cidr{addresses_.front(), kLinkLocalPrefix});
  }
  report.interface = own_links_.interface();
  report.since = since_;
  report.reason = reason_;
  if (const auto& heard = instance_.last_heard()) {
    report.peer = heard->source;
    report.peer_heard_at = peer_heard_at_;
  }
  report.contested = contention_.is_under_way();
  report.warning = warning();
  report.counters = counters_;
  report.counters.advertisements_sent = sender_.sent();
  report.counters.advertisements_received = ear_.reader().received();
  report.counters.rejected = ear_.reader().rejected();
  report.counters.conflicts = foreign_.count() + peer_claims_;
  report.counters.restored = keeping_.restored();
  report.counters.announcements = announcer_.sent();
  report.counters.add(earlier_);
  return report;
}

std::string VirtualRouter::warning() const {
  std::string warning = contention_.warning(loop_.now());
  if (!warning.empty()) return warning;
  if (wish_.candidacy == Candidacy::IfNobodyHeard) return wish_.why + ", no candidate until resume";
  if (keeping_.state_file_problem()) return *keeping_.state_file_problem();
  return "";
}

void VirtualRouter::arm(TimePoint now) {
  std::optional<TimePoint> next;
  for (const auto& at : {instance_.next_deadline(), links_.next_deadline(), keeping_.next_deadline(),
                         announcer_.next_deadline(), foreign_.next_deadline(), claims_.next_deadline(),
                         ear_.next_deadline()}) {
    if (at && (!next || *at < *next)) next = at;
  }
  if (!next) return timer_.cancel();
  armed_for_ = std::max(*next, now);
  timer_.arm_at(*next);
}

void VirtualRouter::say(bool changed) {
  const TimePoint now = loop_.now();
  if (contention_.has_changed(now)) {
    changed_ = true;
    const std::string conclusion = contention_.conclusion(now);
    if (!conclusion.empty() && contention_said_.may_say(conclusion, now))
      log_.warn("the address is contested", {{"explanation", conclusion}});
  }
  if (std::exchange(changed_, false) || changed) hooks_.on_change();
}

}  // namespace vipward
