#include "health/check.h"

#include <array>

#include "health/http_date.h"
#include "health/http_request.h"

namespace vipward {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} * 1024;
constexpr std::size_t kMaxLingeringBytes = std::size_t{64} * 1024;

std::string duration_text(Millis duration) {
  if (duration.count() % 1000 == 0) return std::to_string(duration.count() / 1000) + "s";
  return std::to_string(duration.count()) + "ms";
}

}  // namespace

Check::Check(Loop& loop, const CheckPlan& plan, CheckCredentials credentials,
             std::function<void(const CheckOutcome&)> on_done)
    : loop_(loop),
      plan_(plan),
      credentials_(std::move(credentials)),
      on_done_(std::move(on_done)),
      timer_(loop, [this] { on_deadline(); }),
      answers_(plan.expected_status,
               !credentials_.bearer_token.empty() ||
                   (uses_tls() && credentials_.tls && credentials_.tls->has_client_certificate())) {}

void Check::start() {
  began_ = loop_.now();
  open();
  advance();
}

void Check::advance() {
  while (step_ != Step::Over) {
    const IoStatus status = run_step();
    if (status == IoStatus::WantRead || status == IoStatus::WantWrite) {
      wait_for(status);
      break;
    }
  }
  report();
}

IoStatus Check::run_step() {
  switch (step_) {
    case Step::Open:
      return on_connect(transport_.connect(plan_.address));
    case Step::Connect:
      return on_connect(transport_.finish_connect());
    case Step::Handshake:
      return handshake();
    case Step::Send:
      return send();
    case Step::Receive:
      return receive();
    case Step::Linger:
      return linger();
    case Step::Over:
      break;
  }
  return IoStatus::Done;
}

void Check::open() {
  poll_.reset();
  step_ = Step::Open;
  reused_ = false;
  enter_phase(CheckPhase::Connect, plan_.connect_timeout);
}

IoStatus Check::on_connect(IoStatus status) {
  if (status == IoStatus::WantWrite) {
    step_ = Step::Connect;
    return status;
  }
  if (status == IoStatus::Failed) {
    fail(transport_.failure());
    return IoStatus::Done;
  }
  complete_phase();
  if (uses_tls()) {
    step_ = Step::Handshake;
    // The connect's deadline goes on.
    outcome_.phase = CheckPhase::Tls;
    phase_began_ = loop_.now();
  } else {
    after_connection();
  }
  return IoStatus::Done;
}

IoStatus Check::handshake() {
  const IoStatus status = transport_.handshake(*credentials_.tls, credentials_.sessions, phase_began_);
  if (const auto expiry = transport_.certificate_expiry()) outcome_.certificate_expiry = expiry;
  if (status == IoStatus::Failed) {
    fail(transport_.failure());
  } else if (status == IoStatus::Done) {
    complete_phase();
    after_connection();
  } else {
    return status;
  }
  return IoStatus::Done;
}

void Check::after_connection() {
  if (uses_http()) {
    begin_request();
    return;
  }
  outcome_.detail = uses_tls() ? "TLS handshake completed" : "connected";
  outcome_.result = CheckResult::Ready;
  succeed();
}

void Check::begin_request() {
  step_ = Step::Send;
  enter_phase(CheckPhase::Response, plan_.response_timeout);
  response_ = HttpResponseReader();
  request_ = http_get(path(), plan_.host, credentials_.bearer_token);
  unsent_ = request_;
  sent_at_ = std::chrono::system_clock::now();
}

IoStatus Check::send() {
  const IoStatus status = transport_.write(unsent_);
  if (status == IoStatus::WantRead || status == IoStatus::WantWrite) return status;
  if (status == IoStatus::Failed) {
    fail(transport_.failure());
  } else {
    // Also when the peer has closed: what it said before is to be read.
    step_ = Step::Receive;
  }
  return IoStatus::Done;
}

IoStatus Check::receive() {
  std::array<char, kReadBytes> buffer;
  std::size_t used = 0;
  switch (const IoStatus status = transport_.read(buffer.data(), buffer.size(), used)) {
    case IoStatus::WantRead:
    case IoStatus::WantWrite:
      return status;
    case IoStatus::Done:
      response_.feed({buffer.data(), used});
      break;
    case IoStatus::Closed:
      return on_end_of_stream();
    case IoStatus::Failed:
      // A reset is what a server that closes an idle connection may look like, too.
      if (transport_.failure().kind == IoFailure::Kind::Network) return on_end_of_stream();
      fail(transport_.failure());
      return IoStatus::Done;
  }
  if (response_.progress() == HttpResponseReader::Progress::Complete) on_response();
  if (response_.progress() == HttpResponseReader::Progress::Failed) {
    fail({IoFailure::Kind::Network, response_.error()});
  }
  return IoStatus::Done;
}

IoStatus Check::on_end_of_stream() {
  if (reused_ && !response_.has_begun()) {
    // The server may close a kept connection at any time (RFC 9112 section 9.3.1): ask again on a new one,
    // which counts as it is.
    open();
  } else if (!transport_.failure().text.empty()) {
    fail(transport_.failure());
  } else if (response_.feed_end() == HttpResponseReader::Progress::Complete) {
    on_response();
  } else {
    fail({IoFailure::Kind::Network, response_.error()});
  }
  return IoStatus::Done;
}

void Check::on_response() {
  const auto received_at = std::chrono::system_clock::now();
  complete_phase();
  answers_.add(path(), response_.status());
  if (const auto date = response_.date()) {
    outcome_.clock_skew_seconds = clock_skew_seconds(*date, sent_at_, received_at);
  }
  const bool keep_alive = response_.keep_alive();
  ++path_index_;
  if (path_index_ == plan_.paths.size()) {
    answers_.judge(outcome_);
    succeed();
  } else if (keep_alive) {
    reused_ = true;
    begin_request();
  } else {
    transport_.end_sending();
    open();
  }
}

IoStatus Check::linger() {
  std::array<char, kReadBytes> buffer;
  std::size_t used = 0;
  const IoStatus status = transport_.read(buffer.data(), buffer.size(), used);
  if (status == IoStatus::WantRead || status == IoStatus::WantWrite) return status;
  lingering_bytes_ += used;
  if (status != IoStatus::Done || lingering_bytes_ > kMaxLingeringBytes) close();
  return IoStatus::Done;
}

void Check::on_deadline() {
  if (step_ == Step::Linger) {
    close();
    return;
  }
  fail({IoFailure::Kind::Network, "no answer within " + duration_text(phase_limit_)});
  report();
}

void Check::enter_phase(CheckPhase phase, Millis limit) {
  outcome_.phase = phase;
  phase_began_ = loop_.now();
  phase_limit_ = limit;
  timer_.arm_at(phase_began_ + limit);
}

void Check::complete_phase() {
  outcome_.phases.emplace_back(outcome_.phase, loop_.now() - phase_began_);
}

// The answer is there; what remains is to part in good order: close_notify and FIN first, then read until the
// backend has closed too. Closing at once would answer whatever is still under way (session tickets, its own
// close_notify) with a reset.
void Check::succeed() {
  conclude();
  transport_.end_sending();
  step_ = Step::Linger;
  timer_.arm_after(kLinger);
}

void Check::fail(const IoFailure& failure) {
  outcome_.local_fault = failure.kind == IoFailure::Kind::Local;
  outcome_.refused = failure.kind == IoFailure::Kind::Refused;
  if (failure.kind == IoFailure::Kind::Tls) {
    outcome_.result = CheckResult::NotReady;
    outcome_.complaint = CheckComplaint::Tls;
    outcome_.detail = failure.text;
  } else if (outcome_.local_fault) {
    outcome_.detail = failure.text;
  } else {
    outcome_.result = CheckResult::NoAnswer;
    outcome_.detail = std::string(to_string(outcome_.phase)) + ": ";
    if (outcome_.phase == CheckPhase::Response) outcome_.detail += "GET " + path() + ": ";
    outcome_.detail += failure.text;
    if (!answers_.empty()) {
      // Another path was answered a moment ago: that is life.
      outcome_.result = CheckResult::NotReady;
      outcome_.detail += " (" + answers_.detail() + ")";
    }
  }
  conclude();
  transport_.end_sending();
  close();
}

void Check::conclude() {
  outcome_.duration = loop_.now() - began_;
  concluded_ = true;
}

void Check::close() {
  timer_.cancel();
  poll_.reset();
  transport_.close();
  step_ = Step::Over;
}

void Check::wait_for(IoStatus status) {
  if (!poll_) {
    poll_ = std::make_unique<Poll>(loop_, transport_.fd(), [this](Poll::Ready) { advance(); });
  }
  poll_->watch({.read = status == IoStatus::WantRead, .write = status == IoStatus::WantWrite});
}

void Check::report() {
  if (!concluded_ || reported_) return;
  reported_ = true;
  const auto on_done = std::move(on_done_);
  const CheckOutcome outcome = std::move(outcome_);
  on_done(outcome);
}

bool Check::uses_tls() const {
  return plan_.protocol == CheckProtocol::Https || plan_.protocol == CheckProtocol::Tls;
}

bool Check::uses_http() const {
  return plan_.protocol == CheckProtocol::Https || plan_.protocol == CheckProtocol::Http;
}

}  // namespace vipward
