#include "lb/guardian/proxy_life.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "lb/guardian/overloaded.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Resetting the clients of a released address takes milliseconds; a proxy that does not get there in this
// time, on a starved machine too, is stuck.
constexpr Duration kResetLimit = 2s;
// SIGTERM: the proxy resets everybody and leaves, or is killed, which resets everybody as well.
constexpr Duration kStopLimit = 2s;
// A link between two that live breaks when one of them is at fault, which the next link may not change: the
// first one follows at once, the later ones after pauses, twice as long each time.
constexpr Duration kFirstRelinkPause = 100ms;
constexpr unsigned kMostDoublings = 8;  // 25.6 s
// Clients of the control socket that wait for a take-over; as many as may be connected at all.
constexpr std::size_t kMostWaiting = ControlServer::kMostClients;

}  // namespace

ProxyLife::ProxyLife(Loop& loop, Log& log, const Executable& executable, std::optional<Account> account,
                     Hooks hooks)
    : loop_(loop), log_(log), executable_(executable), account_(account), hooks_(std::move(hooks)) {}

ProxyProcess::Handlers ProxyLife::handlers_for(std::uint64_t number) {
  return {.on_message = [this](channel::ToGuardian message) { on_message(std::move(message)); },
          .on_unfit =
              [this, number](const std::string& why) {
                if (proxy_ && proxy_->number() == number) on_unfit(why);
              },
          .on_ended = [this](const std::string& how) { on_ended(how); }};
}

ProxyProcess::Handlers ProxyLife::predecessor_handlers() {
  return {
      .on_message = [this](const channel::ToGuardian& message) { on_predecessor_message(message); },
      .on_unfit =
          [this](const std::string& why) {
            if (!predecessor_ || stopping_) return;
            log_.warn("predecessor is unfit, it is killed", {{"pid", predecessor_->pid()}, {"cause", why}});
            predecessor_->kill();
          },
      .on_ended = [this](const std::string& how) { on_predecessor_ended(how); }};
}

void ProxyLife::start() {
  carry_out(supervisor_.start(loop_.now()));
}

void ProxyLife::take_over(const TakeOver& from) {
  generations_ = from.generations;
  if (from.predecessor) predecessor_ = ProxyProcess::adopt(loop_, *from.predecessor, predecessor_handlers());
  proxy_ = ProxyProcess::adopt(loop_, from.successor, handlers_for(from.successor.number));
  supervisor_.succeed(loop_.now(), from.supervisor);
  report_.emplace(log_, from.begun, from.to_version);
  if (!predecessor_) {
    supervisor_.on_predecessor_ended();
    report_->on_predecessor_ended(false);
  }
  link();
}

std::optional<ProxyProcess::Lent> ProxyLife::lent() const {
  return proxy_ ? std::optional(proxy_->lent()) : std::nullopt;
}

void ProxyLife::carry_out(Supervisor::Step step) {
  if (step.kill && proxy_) proxy_->kill();
  if (step.start) spawn();
  hooks_.on_change();
}

void ProxyLife::spawn() {
  linked_ = false;
  relinks_ = 0;
  relink_at_.reset();
  std::string problem;
  const std::uint64_t number = take_number();
  proxy_ = ProxyProcess::start(loop_, executable_, number, account_, handlers_for(number), problem);
  if (!proxy_) {
    log_.error("the proxy cannot be started", {{"error", problem}});
    loop_.post([this, problem] { on_ended(problem); });
    return;
  }
  if (hooks_.brief(*proxy_)) {
    if (predecessor_) {
      proxy_->send(channel::Prepare{.is_committed = true});
    } else {
      proxy_->send(channel::Serve{});
    }
  } else {
    log_.error("no descriptors are left for a proxy");
    proxy_->kill();
  }
}

// The prepared one serves from now on, and gets what the predecessor has. If that has died meanwhile, the
// link ends at once.
void ProxyLife::link() {
  linked_ = true;
  try {
    channel::Pair pair = channel::create_pair();
    proxy_->send(channel::TakeOver{.socket = std::move(pair.proxy)});
    if (predecessor_) predecessor_->send(channel::HandOver{.socket = std::move(pair.guardian)});
  } catch (const std::exception& error) {
    on_unfit(std::string("cannot be linked with its predecessor: ") + error.what());
  }
}

// With both of them alive the link itself has failed. If the successor is the one that went, its replacement
// is linked once it is prepared, and this has been for nothing.
void ProxyLife::relink(std::uint32_t moved, std::uint32_t left) {
  left_behind_ = left;
  if (moved > 0) relinks_ = 0;
  if (left == 0 || !linked_ || !proxy_ || stopping_) return;
  const unsigned before = relinks_++;
  const Duration pause =
      before == 0 ? Duration::zero() : kFirstRelinkPause * (1U << std::min(before - 1, kMostDoublings));
  log_.warn("link between the generations broke, another one follows",
            {{"sessions", left}, {"pause_seconds", pause}});
  if (before == 0) return link();
  relink_at_ = loop_.now() + pause;
  hooks_.on_change();
}

void ProxyLife::on_message(channel::ToGuardian message) {
  std::visit(Overloaded{[&](const channel::Ready&) { on_ready(); },
                        [&](const channel::Failed& failed) { on_failed(failed.problems); },
                        [&](const channel::SessionsReset& reset) {
                          reset_by_.reset();
                          log_.info("clients of the released address reset", {{"sessions", reset.count}});
                        },
                        [&](const channel::Backends& backends) {
                          hooks_.on_backends(backends.every_service_has_living);
                        },
                        [&](const channel::Prepared&) { link(); },
                        [&](const channel::Inherited& inherited) {
                          if (report_) {
                            report_->on_inherited(inherited.sessions,
                                                  std::chrono::microseconds(inherited.longest_stall_us));
                          }
                          report();
                        },
                        [](const channel::HandedOver&) {}},
             message);
}

void ProxyLife::on_ready() {
  const bool first = !supervisor_.has_ever_served();
  log_.info("proxy serves", {{"generation", proxy_->number()}, {"pid", proxy_->pid()}});
  if (report_) report_->on_serving(proxy_->number());
  carry_out(supervisor_.on_ready(loop_.now()));
  for (Fd& client : std::exchange(waiting_clients_, {}))
    proxy_->send(channel::HttpConnection{.socket = std::move(client)});
  if (first && supervisor_.is_serving()) hooks_.on_first_ready();
  // Everybody it could have taken over from is gone.
  if (report_ && !linked_) {
    report_->on_inherited(0, Duration::zero());
    report();
  }
}

void ProxyLife::on_failed(const std::vector<std::string>& problems) {
  if (!supervisor_.has_ever_served()) {
    start_problems_ = problems;
    return;
  }
  for (const std::string& problem : problems) log_.error("proxy cannot start", {{"problem", problem}});
}

void ProxyLife::on_unfit(const std::string& why) {
  if (stopping_) return;
  // One that has just died closed its channel, too: on_ended says so.
  log_.warn("proxy is unfit, it is killed", {{"pid", proxy_->pid()}, {"cause", why}});
  carry_out(supervisor_.on_unfit(loop_.now()));
}

void ProxyLife::retire(std::unique_ptr<ProxyProcess>& process) {
  // It is in the middle of telling that it has ended.
  loop_.post([retired = std::shared_ptr<ProxyProcess>(std::move(process))] {});
}

void ProxyLife::on_ended(const std::string& how) {
  retire(proxy_);
  reset_by_.reset();
  if (stopping_) {
    if (has_ended()) hooks_.on_all_ended();
    return;
  }
  if (!supervisor_.has_ever_served()) {
    if (start_problems_.empty()) start_problems_.push_back("vipward: the proxy did not start: " + how);
    return hooks_.on_never_started(std::move(start_problems_));
  }
  log_.error("proxy ended, its clients are reset, the next one starts", {{"how", how}});
  if (report_) report_->on_successor_ended();
  carry_out(supervisor_.on_exited(loop_.now()));
}

void ProxyLife::on_predecessor_message(const channel::ToGuardian& message) {
  if (const auto* handed_over = std::get_if<channel::HandedOver>(&message)) {
    if (report_) report_->on_handed_over(handed_over->left);
    relink(handed_over->moved, handed_over->left);
  }
}

void ProxyLife::on_predecessor_ended(const std::string& how) {
  const bool in_order = how == "exit code 0";
  if (!in_order) log_.error("predecessor ended, what it had not handed over is reset", {{"how", how}});
  retire(predecessor_);
  relink_at_.reset();
  left_behind_ = 0;
  supervisor_.on_predecessor_ended();
  if (report_) report_->on_predecessor_ended(in_order);
  report();
  if (stopping_ && has_ended()) hooks_.on_all_ended();
}

void ProxyLife::report() {
  if (report_ && report_->conclude(loop_.now())) report_.reset();
  hooks_.on_change();
}

void ProxyLife::send(channel::ToProxy message) {
  if (proxy_) proxy_->send(std::move(message));
}

bool ProxyLife::pass_on(Fd& client) {
  if (proxy_ && supervisor_.is_serving()) {
    proxy_->send(channel::HttpConnection{.socket = std::move(client)});
    return true;
  }
  if (!report_ || waiting_clients_.size() >= kMostWaiting) return false;
  waiting_clients_.push_back(std::move(client));
  return true;
}

// A proxy that is only starting may have clients already.
void ProxyLife::release() {
  if (predecessor_) predecessor_->send(channel::VipReleased{});
  if (!proxy_) return;
  proxy_->send(channel::VipReleased{});
  if (supervisor_.is_serving()) reset_by_ = loop_.now() + kResetLimit;
}

void ProxyLife::release(const std::vector<IpAddress>& unconfigured) {
  channel::VipReleased message;
  for (const IpAddress& address : unconfigured) message.unconfigured.push_back(address.to_string());
  for (const auto* process : {&predecessor_, &proxy_}) {
    if (*process) (*process)->send(channel::VipReleased(message));
  }
}

void ProxyLife::stop(const char* signal) {
  stopping_ = true;
  supervisor_.stop();
  waiting_clients_.clear();
  for (const auto* process : {&predecessor_, &proxy_}) {
    if (*process) (*process)->send(channel::Stop{.reason = signal});
  }
  if (!has_ended()) kill_at_ = loop_.now() + kStopLimit;
}

void ProxyLife::find_stalls() {
  if (stopping_) return;
  const TimePoint now = loop_.now();
  if (predecessor_) {
    if (const auto stalled = predecessor_->find_stall(now)) {
      log_.warn("predecessor stalled, it is killed", {{"pid", predecessor_->pid()}, {"cause", *stalled}});
      predecessor_->kill();
    }
  }
  if (!proxy_ || !supervisor_.is_serving()) return;
  if (const auto stalled = proxy_->find_stall(now)) on_unfit(*stalled + " stalled");
}

std::optional<TimePoint> ProxyLife::next_deadline() const {
  std::optional<TimePoint> next = supervisor_.next_deadline(loop_.now());
  for (const auto& at :
       {kill_at_, reset_by_, relink_at_, report_ ? report_->next_deadline() : std::nullopt}) {
    if (at && (!next || *at < *next)) next = at;
  }
  return next;
}

void ProxyLife::on_time() {
  const TimePoint now = loop_.now();
  if (kill_at_ && now >= *kill_at_) {
    kill_at_.reset();
    for (const auto* process : {&predecessor_, &proxy_}) {
      if (*process) (*process)->kill();
    }
  }
  if (reset_by_ && now >= *reset_by_) {
    reset_by_.reset();
    if (proxy_) on_unfit("did not reset the clients of a released address");
  }
  if (relink_at_ && now >= *relink_at_) {
    relink_at_.reset();
    if (predecessor_ && proxy_ && !stopping_) link();
  }
  report();
  carry_out(stopping_ ? Supervisor::Step{} : supervisor_.on_time(now));
}

}  // namespace vipward
