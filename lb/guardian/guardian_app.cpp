#include "lb/guardian/guardian_app.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "lb/guardian/candidacy_rule.h"
#include "lb/guardian/vip_status.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Once a second: listeners, files, what the proxy is told of counters.
constexpr unsigned kTicksPerLook = 1s / StallJudge::kEvery;
// Resetting the clients of a released address takes milliseconds; a proxy that does not get there in this
// time, on a starved machine too, is stuck.
constexpr Duration kResetLimit = 2s;
// SIGTERM: the proxy resets everybody and leaves, or is killed, which resets everybody as well.
constexpr Duration kStopLimit = 2s;

std::string state_file_of(const Config& config) {
  return config.control_socket.path + ".vip";
}

// A client of the control socket that asks the proxy while there is none: HTTP all the same.
void answer_unavailable(Fd client, const std::string& text) {
  const std::string response =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
      "Content-Length: " +
      std::to_string(text.size()) + "\r\n\r\n" + text;
  send(client.get(), response.data(), response.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // unix(7): what is unread when it closes, the request, would reach the client as a reset after the answer.
  std::array<char, 16 * 1024> unread;
  recv(client.get(), unread.data(), unread.size(), MSG_DONTWAIT);
}

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
// clang 14 does not deduce it for aggregates yet.
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace

GuardianApp::GuardianApp(Log& log, GuardianPlan plan)
    : log_(log),
      config_(std::move(plan.config)),
      proxy_account_(plan.proxy_account),
      listeners_(config_, log),
      briefing_(std::move(plan.config_name), plan.config_text),
      files_(std::move(plan.files)),
      lag_(loop_, lag_histogram_),
      router_(make_router()),
      commands_(loop_, log, router_.get(), [this] { reconsider(); }),
      control_(loop_, std::move(plan.control_listener),
               {.on_http = [this](Fd client) { pass_on(std::move(client)); },
                .on_release =
                    [this](ReleaseRequest request, CommandReply reply) {
                      commands_.release(request, std::move(reply));
                      arm_deadline();
                    },
                .on_resume = [this](CommandReply reply) { commands_.resume(std::move(reply)); }}),
      tick_(loop_, [this] { tick(); }),
      deadline_(loop_, [this] { on_deadline(); }) {}

GuardianApp::~GuardianApp() = default;

std::unique_ptr<VirtualRouter> GuardianApp::make_router() {
  if (!config_.vip) return nullptr;
  return std::make_unique<VirtualRouter>(
      loop_, log_, *config_.vip, state_file_of(config_),
      VirtualRouter::Hooks{.on_taking = [this] { on_taking(); },
                           .on_giving_up = [this] { listeners_.refuse_on_vips(); },
                           .on_given_up = [this](bool addresses_are_off) { on_given_up(addresses_are_off); },
                           // Later: whatever follows from it may turn the router again.
                           .on_change = [this] { loop_.post([this] { on_vip_change(); }); }});
}

std::vector<std::string> GuardianApp::run() {
  watch_signals();
  carry_out(supervisor_.start(loop_.now()));
  tick_.arm_after(StallJudge::kEvery);
  loop_.run();
  signals_.clear();
  return start_problems_;
}

void GuardianApp::watch_signals() {
  const auto watch = [&](int number, std::function<void()> on_signal) {
    signals_.push_back(std::make_unique<SignalWatch>(loop_, number, std::move(on_signal)));
  };
  watch(SIGTERM, [this] { stop("SIGTERM"); });
  watch(SIGINT, [this] { stop("SIGINT"); });
  watch(SIGHUP, [this] { log_.warn("SIGHUP ignored: reload is planned, not in this version"); });
}

void GuardianApp::carry_out(Supervisor::Step step) {
  if (step.kill && proxy_) proxy_->kill();
  if (step.start) spawn();
  reconsider();
  arm_deadline();
}

void GuardianApp::spawn() {
  std::string problem;
  const std::uint64_t number = ++generations_;
  proxy_ = ProxyProcess::start(
      loop_, number, proxy_account_,
      {.on_message = [this](channel::ToGuardian message) { on_message(std::move(message)); },
       .on_unfit =
           [this, number](const std::string& why) {
             if (proxy_ && proxy_->number() == number) on_unfit(why);
           },
       .on_ended = [this](const std::string& how) { on_ended(how); }},
      problem);
  if (!proxy_) {
    log_.error("the proxy cannot be started", {{"error", problem}});
    loop_.post([this, problem] { on_ended(problem); });
    return;
  }
  // The status before Serve: it shall know which addresses are ours before it lets anybody in.
  if (briefing_.give(*proxy_, listeners_, files_.open_all())) {
    tell_status();
    proxy_->send(channel::Serve{});
  } else {
    log_.error("no descriptors are left for a proxy");
    proxy_->kill();
  }
}

void GuardianApp::on_message(channel::ToGuardian message) {
  std::visit(Overloaded{[&](const channel::Ready&) { on_ready(); },
                        [&](const channel::Failed& failed) { on_failed(failed.problems); },
                        [&](const channel::SessionsReset& reset) {
                          reset_by_.reset();
                          log_.info("clients of the released address reset", {{"sessions", reset.count}});
                        },
                        [&](const channel::Backends& backends) {
                          every_service_has_living_ = backends.every_service_has_living;
                          reconsider();
                        }},
             message);
}

void GuardianApp::on_ready() {
  const bool first = !supervisor_.has_ever_served();
  log_.info("proxy serves", {{"generation", proxy_->number()}, {"pid", proxy_->pid()}});
  carry_out(supervisor_.on_ready(loop_.now()));
  if (!first || !supervisor_.is_serving()) return;
  if (router_) router_->start();
  notify_.send("READY=1");
}

void GuardianApp::on_failed(const std::vector<std::string>& problems) {
  if (!supervisor_.has_ever_served()) {
    start_problems_ = problems;
    return;
  }
  for (const std::string& problem : problems) log_.error("proxy cannot start", {{"problem", problem}});
}

void GuardianApp::on_unfit(const std::string& why) {
  if (stopping_) return;
  // One that has just died closed its channel, too: on_ended says so.
  log_.warn("proxy is unfit, it is killed", {{"pid", proxy_->pid()}, {"cause", why}});
  carry_out(supervisor_.on_unfit(loop_.now()));
}

void GuardianApp::on_ended(const std::string& how) {
  retired_ = std::move(proxy_);
  loop_.post([this] { retired_.reset(); });
  reset_by_.reset();
  if (stopping_) return finish_if_done();
  if (!supervisor_.has_ever_served()) {
    if (start_problems_.empty()) start_problems_.push_back("vipward: the proxy did not start: " + how);
    loop_.stop();
    return;
  }
  log_.error("proxy ended, its clients are reset, the next one starts", {{"how", how}});
  carry_out(supervisor_.on_exited(loop_.now()));
}

void GuardianApp::reconsider() {
  if (!router_ || stopping_) return;
  HostCondition condition;
  condition.proxy = supervisor_.standing(loop_.now());
  condition.lost_listeners = listeners_.lost();
  condition.backends_missing = config_.vip->release_on_no_backend && !every_service_has_living_;
  condition.released_by_operator = commands_.is_holding();
  HostWish wish = wish_of(condition);
  router_->set_candidacy(wish.candidacy, std::move(wish.why));
}

// In the middle of the router's turn, as what follows.
void GuardianApp::on_taking() {
  listeners_.listen_again();
  tell_status();
}

// The listeners are for the next time the address is here. A proxy that is only starting may have clients
// already.
void GuardianApp::on_given_up(bool addresses_are_off) {
  if (!stopping_ && addresses_are_off) listeners_.listen_again();
  if (!proxy_) return;
  proxy_->send(channel::VipReleased{});
  if (!supervisor_.is_serving()) return;
  reset_by_ = loop_.now() + kResetLimit;
  loop_.post([this] { arm_deadline(); });
}

void GuardianApp::on_vip_change() {
  commands_.look();
  arm_deadline();
  tell_status();
  if (router_) notify_.send("STATUS=" + one_line(router_->report()));
  finish_if_done();
}

void GuardianApp::pass_on(Fd client) {
  if (proxy_ && supervisor_.is_serving()) {
    proxy_->send(channel::HttpConnection{.socket = std::move(client)});
    return;
  }
  std::string text = "no proxy serves now, the next one is being started\n";
  if (router_) text += "vip " + one_line(router_->report()) + "\n";
  answer_unavailable(std::move(client), text);
}

void GuardianApp::tick() {
  const TimePoint now = loop_.now();
  if (proxy_ && supervisor_.is_serving() && !stopping_) {
    if (const auto stalled = proxy_->find_stall(now)) on_unfit(*stalled + " stalled");
  }
  if (const auto every = notify_.watchdog_every(); every && now - watchdog_fed_at_ >= *every / 2) {
    watchdog_fed_at_ = now;
    notify_.send("WATCHDOG=1");
  }
  if (++ticks_ % kTicksPerLook == 0 && !stopping_) look_around();
  tick_.arm_after(StallJudge::kEvery);
}

void GuardianApp::look_around() {
  listeners_.check();
  for (FileWatch::Opened& opened : files_.look()) {
    if (!opened.problem.empty()) {
      log_.error("check files changed but cannot be used, the old ones stay in use",
                 {{"problem", opened.problem}});
    } else if (proxy_ && is_whole(opened)) {
      proxy_->send(message_of(std::move(opened)));
    }
  }
  reconsider();
  tell_status();
}

void GuardianApp::arm_deadline() {
  std::optional<TimePoint> next;
  for (const auto& at :
       {supervisor_.next_deadline(loop_.now()), commands_.next_deadline(), kill_at_, reset_by_}) {
    if (at && (!next || *at < *next)) next = at;
  }
  if (next) {
    deadline_.arm_at(*next);
  } else {
    deadline_.cancel();
  }
}

void GuardianApp::on_deadline() {
  const TimePoint now = loop_.now();
  commands_.look();
  if (kill_at_ && now >= *kill_at_) {
    kill_at_.reset();
    if (proxy_) proxy_->kill();
  }
  if (reset_by_ && now >= *reset_by_) {
    reset_by_.reset();
    if (proxy_) on_unfit("did not reset the clients of a released address");
  }
  carry_out(stopping_ ? Supervisor::Step{} : supervisor_.on_time(now));
}

void GuardianApp::tell_status() {
  if (proxy_) proxy_->send(status());
}

channel::GuardianStatus GuardianApp::status() const {
  channel::GuardianStatus status{
      .proxy_restarts = supervisor_.restarts(), .loop_lag = lag_histogram_.snapshot(), .vip = std::nullopt};
  if (router_) status.vip = vip_status_of(router_->report());
  return status;
}

// The address goes first, so that clients reconnect to the other host; then the proxy resets who is left.
void GuardianApp::stop(const char* signal) {
  if (std::exchange(stopping_, true)) return;
  notify_.send("STOPPING=1");
  log_.info("stopping", {{"signal", signal}});
  supervisor_.stop();
  if (router_) router_->shut_down();
  listeners_.close_all();
  if (proxy_) {
    proxy_->send(channel::Stop{.reason = signal});
    kill_at_ = loop_.now() + kStopLimit;
  }
  arm_deadline();
  finish_if_done();
}

void GuardianApp::finish_if_done() {
  if (stopping_ && !proxy_ && (!router_ || router_->is_silent())) loop_.stop();
}

}  // namespace vipward
