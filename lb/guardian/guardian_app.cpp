#include "lb/guardian/guardian_app.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include "lb/guardian/candidacy_rule.h"
#include "lb/guardian/reexecution.h"
#include "lb/guardian/vip_status.h"
#include "lb/version.h"

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Once a second: listeners, files, what the proxy is told of counters.
constexpr unsigned kTicksPerLook = 1s / StallJudge::kEvery;

std::string state_file_of(const Config& config) {
  return config.control_socket.path + ".vip";
}

std::int64_t unix_ms_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::vector<ListenerSet::Inherited> listeners_of(const Heritage& heritage) {
  std::vector<ListenerSet::Inherited> inherited;
  for (const ListenerSet::Lent& lent : heritage.listeners) {
    ListenerSet::Inherited& of = inherited.emplace_back(ListenerSet::Inherited{lent.address, {}});
    for (const int socket : lent.sockets) of.sockets.emplace_back(socket);
  }
  return inherited;
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

}  // namespace

GuardianApp::GuardianApp(Log& log, GuardianPlan plan)
    : log_(log),
      config_(std::move(plan.config)),
      config_name_(std::move(plan.config_name)),
      config_text_(std::move(plan.config_text)),
      executable_(std::move(plan.executable)),
      proxy_account_(plan.proxy_account),
      heritage_(std::move(plan.heritage)),
      listeners_(heritage_ ? ListenerSet(config_, log, listeners_of(*heritage_)) : ListenerSet(config_, log)),
      briefing_(config_name_, config_text_),
      files_(std::move(plan.files)),
      departing_(heritage_ ? heritage_->departing : std::vector<channel::DepartingBackend>()),
      drains_(log, config_, config_.control_socket.path + ".drains",
              heritage_ ? heritage_->drains : std::nullopt, [this] { life_.send(drains_.message()); }),
      life_(loop_, log, executable_, proxy_account_, life_hooks()),
      every_service_has_living_(!heritage_ || heritage_->every_service_has_living),
      inherited_lag_(heritage_ ? heritage_->loop_lag : HistogramSnapshot()),
      lag_(loop_, lag_histogram_),
      router_(make_router()),
      commands_(loop_, log, router_.get(), [this] { reconsider(); }),
      control_(loop_, std::move(plan.control_listener), control_handlers()),
      config_loaded_unix_ms_(heritage_ ? heritage_->config_loaded_unix_ms : unix_ms_now()),
      successions_({.loop = loop_,
                    .log = log_,
                    .config = config_,
                    .config_name = config_name_,
                    .executable = executable_,
                    .listeners = listeners_,
                    .departing = departing_,
                    .proxy_account = proxy_account_},
                   {.life = life_, .drains = drains_, .router = router_.get()},
                   {.heritage = [this] { return heritage(); },
                    .status = [this] { return status(); },
                    .on_failed = [this] { tell_status(); },
                    .on_over = [this] { finish_if_done(); }}),
      tick_(loop_, [this] { tick(); }),
      deadline_(loop_, [this] { on_deadline(); }) {}

GuardianApp::~GuardianApp() = default;

std::unique_ptr<VirtualRouter> GuardianApp::make_router() {
  if (!config_.vip) return nullptr;
  std::optional<VirtualRouter::Inherited> inherited;
  if (heritage_ && heritage_->vip && heritage_->vrrp_socket)
    inherited.emplace(
        VirtualRouter::Inherited{.memory = *heritage_->vip, .vrrp_socket = Fd(*heritage_->vrrp_socket)});
  return std::make_unique<VirtualRouter>(
      loop_, log_, *config_.vip, state_file_of(config_),
      VirtualRouter::Hooks{
          .on_taking = [this] { on_taking(); },
          .on_giving_up = [this] { listeners_.refuse_on_vips(); },
          .on_given_up = [this](bool addresses_are_off) { on_given_up(addresses_are_off); },
          .on_unconfigured =
              [this](const std::vector<IpAddress>& gone) {
                for (const IpAddress& address : gone)
                  log_.info("address is no longer configured, it is off", {{"address", address.to_string()}});
                life_.release(gone);
              },
          // Later: whatever follows from it may turn the router again.
          .on_change = [this] { loop_.post([this] { on_vip_change(); }); }},
      std::move(inherited));
}

ProxyLife::Hooks GuardianApp::life_hooks() {
  return {.brief = [this](ProxyProcess& proxy) { return brief(proxy); },
          .on_change = [this] { on_life_change(); },
          .on_first_ready =
              [this] {
                if (router_) router_->start();
                notify_.send("READY=1");
              },
          .on_never_started =
              [this](std::vector<std::string> problems) {
                start_problems_ = std::move(problems);
                loop_.stop();
              },
          .on_backends =
              [this](bool every_service_has_living) {
                every_service_has_living_ = every_service_has_living;
                reconsider();
              },
          .on_all_ended = [this] { finish_if_done(); }};
}

ControlServer::Handlers GuardianApp::control_handlers() {
  return {.on_http = [this](Fd client) { pass_on(std::move(client)); },
          .on_release =
              [this](ReleaseRequest request, CommandReply reply) {
                commands_.release(request, std::move(reply));
                arm_deadline();
              },
          .on_resume = [this](CommandReply reply) { commands_.resume(std::move(reply)); },
          .on_succession = [this](SuccessionKind kind,
                                  CommandReply reply) { successions_.begin(kind, std::move(reply)); },
          .on_drain = [this](const DrainRequest& request,
                             CommandReply reply) { drains_.drain(request, std::move(reply)); },
          .on_undrain = [this](const UndrainRequest& request,
                               CommandReply reply) { drains_.undrain(request, std::move(reply)); }};
}

std::vector<std::string> GuardianApp::run() {
  watch_signals();
  if (heritage_) {
    go_on_from(*heritage_);
  } else {
    life_.start();
  }
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
  watch(SIGHUP, [this] { successions_.hang_up(); });
  let_signals_through();
}

// The VIP first: its advertisements are what waits.
void GuardianApp::go_on_from(const Heritage& heritage) {
  commands_.resume_from(heritage.operator_commands);
  if (heritage.refusing_on_vips) listeners_.refuse_on_vips();
  // Before anybody hears that it takes over: it accepts on all of them. What fails check() says; what was
  // lost already is lost from the first moment on, or a holder of last resort would seem to be without fault.
  if (const std::string problem = listeners_.listen(); !problem.empty())
    log_.error("an address that was bound cannot be listened on, it is tried again", {{"problem", problem}});
  listeners_.check();
  life_.take_over({.predecessor = heritage.predecessor,
                   .successor = heritage.successor.value(),
                   .supervisor = heritage.supervisor,
                   .generations = heritage.generations,
                   .begun = heritage.handover,
                   .to_version = full_version()});
  reconsider();
  if (router_) router_->go_on();
  // The operator may have drained something after the successor had been told.
  life_.send(drains_.message());
  // A certificate may have been exchanged since they were opened for it, and from now on only later changes
  // are.
  tell_of(files_.open_all());
  control_.adopt(heritage.control.clients);
  log_.info("configuration in effect", {{"config_hash", config_.hash},
                                        {"generation", heritage.handover.successor},
                                        {"commit_seconds", loop_.now() - heritage.handover.committed_at}});
  tell_status();
  arm_deadline();
}

bool GuardianApp::brief(ProxyProcess& proxy) {
  if (!briefing_.give(proxy, listeners_, files_.open_all(),
                      {.departing = departing_, .drains = drains_.message()}))
    return false;
  // Before Serve: it shall know which addresses are ours before it lets anybody in.
  proxy.send(status());
  return true;
}

void GuardianApp::on_life_change() {
  successions_.on_life_change();
  reconsider();
  arm_deadline();
}

void GuardianApp::reconsider() {
  if (!router_ || stopping_) return;
  HostCondition condition;
  condition.proxy = life_.standing();
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

// The listeners are for the next time the address is here.
void GuardianApp::on_given_up(bool addresses_are_off) {
  if (!stopping_ && addresses_are_off) listeners_.listen_again();
  life_.release();
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
  if (life_.pass_on(client)) return;
  std::string text = "no proxy serves now, the next one is being started\n";
  if (router_) text += "vip " + one_line(router_->report()) + "\n";
  answer_unavailable(std::move(client), text);
}

void GuardianApp::tick() {
  const TimePoint now = loop_.now();
  life_.find_stalls();
  if (const auto every = notify_.watchdog_every(); every && now - watchdog_fed_at_ >= *every / 2) {
    watchdog_fed_at_ = now;
    notify_.send("WATCHDOG=1");
  }
  successions_.look();
  if (++ticks_ % kTicksPerLook == 0 && !stopping_) look_around();
  tick_.arm_after(StallJudge::kEvery);
}

void GuardianApp::look_around() {
  listeners_.check();
  tell_of(files_.look());
  reconsider();
  tell_status();
}

void GuardianApp::tell_of(std::vector<FileWatch::Opened> files) {
  for (FileWatch::Opened& opened : files) {
    if (!opened.problem.empty()) {
      log_.error("check files changed but cannot be used, the old ones stay in use",
                 {{"problem", opened.problem}});
    } else if (is_whole(opened)) {
      life_.send(message_of(std::move(opened)));
    }
  }
}

void GuardianApp::arm_deadline() {
  const auto of_life = life_.next_deadline();
  auto next = commands_.next_deadline();
  if (of_life && (!next || *of_life < *next)) next = of_life;
  if (next) {
    deadline_.arm_at(*next);
  } else {
    deadline_.cancel();
  }
}

void GuardianApp::on_deadline() {
  commands_.look();
  life_.on_time();
}

void GuardianApp::tell_status() {
  life_.send(status());
}

channel::GuardianStatus GuardianApp::status() const {
  channel::GuardianStatus status{.proxy_restarts = life_.restarts(),
                                 .loop_lag = lag_histogram_.snapshot(),
                                 .vip = std::nullopt,
                                 .config_loaded_unix_ms = config_loaded_unix_ms_,
                                 .last_reload_successful = successions_.last_was_successful()};
  status.loop_lag.merge(inherited_lag_);
  if (router_) status.vip = vip_status_of(router_->report());
  return status;
}

Heritage GuardianApp::heritage() const {
  Heritage left;
  left.executable_path = executable_.path();
  left.config_text = config_text_;
  left.proxy_account = proxy_account_;
  left.config_loaded_unix_ms = unix_ms_now();
  left.generations = life_.generations();
  left.supervisor = life_.memory();
  left.predecessor = life_.lent();
  left.departing = departing_;
  left.drains = drains_.text();
  left.every_service_has_living = every_service_has_living_;
  left.loop_lag = status().loop_lag;
  for (ListenerSet::Lent& lent : listeners_.lent()) left.listeners.push_back(std::move(lent));
  left.refusing_on_vips = listeners_.is_refusing_on_vips();
  left.control = control_.lent();
  left.operator_commands = commands_.lent();
  if (router_) left.vip = router_->memory();
  if (router_) left.vrrp_socket = router_->vrrp_fd();
  successions_.add_to(left);
  return left;
}

// The address goes first, so that clients reconnect to the other host; then the proxy resets who is left.
void GuardianApp::stop(const char* signal) {
  if (std::exchange(stopping_, true)) return;
  notify_.send("STOPPING=1");
  log_.info("stopping", {{"signal", signal}});
  successions_.stop();
  commands_.stop();
  if (router_) router_->shut_down();
  listeners_.close_all();
  life_.stop(signal);
  arm_deadline();
  finish_if_done();
}

void GuardianApp::finish_if_done() {
  if (stopping_ && life_.has_ended() && !successions_.is_under_way() && (!router_ || router_->is_silent()))
    loop_.stop();
}

}  // namespace vipward
