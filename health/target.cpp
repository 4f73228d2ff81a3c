#include "health/target.h"

#include "health/check_identity.h"

namespace vipward {
namespace {

CheckPlan plan_of(const HealthCheckConfig& config, const BackendConfig& backend) {
  const SocketAddress address(backend.address.ip(), config.port.value_or(backend.address.port()));
  const std::string host = config.tls.server_name && !IpAddress::parse(*config.tls.server_name)
                               ? *config.tls.server_name + ":" + std::to_string(address.port())
                               : address.to_string();
  return {.address = address,
          .protocol = config.protocol,
          .host = host,
          .paths = config.paths,
          .expected_status = config.expected_status,
          .connect_timeout = config.connect_timeout,
          .response_timeout = config.response_timeout};
}

bool needs_tls(CheckProtocol protocol) {
  return protocol == CheckProtocol::Https || protocol == CheckProtocol::Tls;
}

std::string_view word(DeadCause cause) {
  return cause == DeadCause::Refused ? "refused" : "silent";
}

}  // namespace

HealthTarget::HealthTarget(const Surroundings& surroundings, const ServiceChecks& service, BackendId id,
                           const BackendConfig& backend, std::function<void(const HealthChange&)> on_change,
                           std::function<void()> on_answered)
    : loop_(surroundings.loop),
      log_(surroundings.log),
      random_(surroundings.random),
      path_(surroundings.path),
      service_(service),
      id_(id),
      name_(backend.name),
      on_change_(std::move(on_change)),
      on_answered_(std::move(on_answered)),
      plan_(plan_of(service.config, backend)),
      checks_identity_(identity_of(service.config, backend.address)),
      state_({.rise = service.config.rise, .fall = service.config.fall}, loop_.now()),
      schedule_({.interval = service.config.interval,
                 .fast_interval = service.config.fast_interval,
                 .jitter = service.config.jitter},
                loop_.now()),
      timer_(loop_, [this] { run_check(); }),
      sessions_(std::make_shared<TlsSessionCache>()),
      since_wall_(std::chrono::system_clock::now()),
      durations_{Histogram(kCheckBounds), Histogram(kCheckBounds), Histogram(kCheckBounds)} {}

void HealthTarget::start() {
  started_ = true;
  arm();
}

void HealthTarget::on_connect_refused() {
  schedule_.on_connect_refused(loop_.now());
  arm();
}

void HealthTarget::arm() {
  if (const auto due = schedule_.next_deadline()) timer_.arm_at(*due);
}

void HealthTarget::run_check() {
  schedule_.on_started();
  check_.reset();
  if (needs_tls(plan_.protocol) && !service_.tls) {
    on_local_fault("tls: " + service_.tls_error);
    return;
  }
  check_ = std::make_unique<Check>(
      loop_, plan_,
      CheckCredentials{.tls = service_.tls, .sessions = sessions_, .bearer_token = service_.bearer_token},
      [this](const CheckOutcome& outcome) { on_done(outcome); });
  check_began_ = loop_.now();
  check_->start();
}

void HealthTarget::on_done(const CheckOutcome& outcome) {
  if (outcome.local_fault) {
    on_local_fault(outcome.detail);
    return;
  }
  end_local_fault();
  record(outcome);
  log_complaint(outcome);
  const TimePoint now = loop_.now();
  note_path(outcome, now);
  const auto transition = state_.observe(
      {.result = outcome.result, .readyz_alone = outcome.readyz_alone, .refused = outcome.refused}, now);
  const bool fast = outcome.refused || state_.is_rising();
  schedule_.on_ended(now, fast ? CheckSchedule::Pace::Fast : CheckSchedule::Pace::Normal, random_.fraction());
  arm();
  if (transition) report(*transition);
  if (outcome.result != CheckResult::NoAnswer) on_answered_();
}

void HealthTarget::note_path(const CheckOutcome& outcome, TimePoint now) {
  if (outcome.result == CheckResult::NoAnswer) {
    path_.on_silence(id_.backend, now);
  } else {
    path_.on_answer(id_.backend, check_began_);
  }
}

void HealthTarget::report(const CheckState::Transition& transition) {
  if (transition.from != transition.to) since_wall_ = last_check_->ended_at;
  reason_ = last_check_->detail;
  may_be_our_path_ = transition.dead_cause == DeadCause::Silent && path_.may_be_our_path(id_.backend);
  log_transition(transition);
  on_change_({.backend = id_,
              .state = transition.to,
              .dead_cause = transition.dead_cause,
              .may_be_our_path = may_be_our_path_,
              .since = transition.since});
}

void HealthTarget::reconsider_silence() {
  if (!may_be_our_path_ || path_.may_be_our_path(id_.backend)) return;
  may_be_our_path_ = false;
  log_.warn("silent by itself, other backends answer", {{"service", service_.name}, {"backend", name_}});
  on_change_({.backend = id_,
              .state = state_.state(),
              .dead_cause = state_.dead_cause(),
              .may_be_our_path = false,
              .since = state_.since()});
}

// Counts neither for nor against the backend.
void HealthTarget::on_local_fault(const std::string& reason) {
  impossible_checks_.add();
  if (!impossible_reason_) {
    log_.error("health check impossible",
               {{"service", service_.name}, {"backend", name_}, {"reason", reason}});
  }
  impossible_reason_ = reason;
  schedule_.on_ended(loop_.now(), CheckSchedule::Pace::Normal, random_.fraction());
  arm();
}

void HealthTarget::end_local_fault() {
  if (!impossible_reason_) return;
  impossible_reason_.reset();
  log_.info("health check possible again", {{"service", service_.name}, {"backend", name_}});
}

void HealthTarget::record(const CheckOutcome& outcome) {
  checks_[static_cast<std::size_t>(outcome.result)].add();
  for (const auto& [phase, duration] : outcome.phases) {
    durations_[static_cast<std::size_t>(phase)].observe(duration);
  }
  if (outcome.certificate_expiry) certificate_expiry_ = outcome.certificate_expiry;
  if (outcome.clock_skew_seconds) clock_skew_seconds_ = outcome.clock_skew_seconds;
  last_check_ = {.ended_at = std::chrono::system_clock::now(),
                 .result = outcome.result,
                 .phase = outcome.phase,
                 .detail = outcome.detail,
                 .duration = outcome.duration};
}

// Said when it begins; a check without an answer in between does not end it.
void HealthTarget::log_complaint(const CheckOutcome& outcome) {
  if (outcome.result == CheckResult::NoAnswer || outcome.complaint == complaint_) return;
  complaint_ = outcome.complaint;
  if (complaint_ == CheckComplaint::None) return;
  log_.warn(
      complaint_ == CheckComplaint::Tls ? "health check fails in TLS" : "health check is not authorized",
      {{"service", service_.name}, {"backend", name_}, {"reason", outcome.detail}});
}

void HealthTarget::log_transition(const CheckState::Transition& transition) {
  const LogLevel level = transition.to == BackendState::Ready ? LogLevel::Info : LogLevel::Warn;
  const std::string_view from = to_string(transition.from);
  const std::string_view to = to_string(transition.to);
  if (transition.to == BackendState::Dead) {
    log_.write(level, "backend state changed",
               {{"service", service_.name},
                {"backend", name_},
                {"from", from},
                {"to", to},
                {"cause", word(transition.dead_cause)},
                {"reason", reason_},
                {"checks", transition.checks}});
  } else {
    log_.write(level, "backend state changed",
               {{"service", service_.name},
                {"backend", name_},
                {"from", from},
                {"to", to},
                {"reason", reason_},
                {"checks", transition.checks}});
  }
}

BackendMemory HealthTarget::memory() const {
  BackendMemory memory;
  // What is assumed is so for the next one, too.
  memory.checks_identity = state_.is_assumed() ? ~checks_identity_ : checks_identity_;
  state_.save(memory);
  memory.may_be_our_path = may_be_our_path_;
  memory.since_wall = since_wall_;
  memory.reason = reason_;
  memory.last_check = last_check_;
  memory.certificate_expiry = certificate_expiry_;
  memory.clock_skew_seconds = clock_skew_seconds_;
  return memory;
}

void HealthTarget::restore(const BackendMemory& memory) {
  const bool is_news = state_.state() == BackendState::Unknown && memory.state != BackendState::Unknown;
  if (!is_news) return;
  const bool is_same_check = memory.checks_identity == checks_identity_;
  is_same_check ? state_.restore(memory) : state_.assume(memory);
  may_be_our_path_ = memory.may_be_our_path;
  since_wall_ = memory.since_wall;
  reason_ = memory.reason;
  last_check_ = memory.last_check;
  certificate_expiry_ = memory.certificate_expiry;
  clock_skew_seconds_ = memory.clock_skew_seconds;
  if (!started_ && is_same_check) schedule_.continue_from(loop_.now(), random_.fraction());
  on_change_({.backend = id_,
              .state = state_.state(),
              .dead_cause = state_.dead_cause(),
              .may_be_our_path = may_be_our_path_,
              .since = state_.since()});
}

BackendHealth HealthTarget::snapshot() const {
  BackendHealth health;
  health.state = state_.state();
  health.dead_cause = state_.dead_cause();
  health.since = state_.since();
  health.since_wall = since_wall_;
  health.reason = reason_;
  health.last_check = last_check_;
  for (std::size_t i = 0; i < kCheckResults; ++i) health.checks[i] = checks_[i].value();
  health.impossible_checks = impossible_checks_.value();
  health.impossible_reason = impossible_reason_;
  for (std::size_t i = 0; i < kCheckPhases; ++i) health.durations[i] = durations_[i].snapshot();
  health.certificate_expiry = certificate_expiry_;
  health.clock_skew_seconds = clock_skew_seconds_;
  return health;
}

}  // namespace vipward
