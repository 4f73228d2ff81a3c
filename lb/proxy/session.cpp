#include "lb/proxy/session.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <variant>

#include "lb/net/socket.h"
#include "lb/proxy/access_log.h"

namespace vipward {
namespace {

using Side = SessionEnd::Side;

// What one direction may move in a turn before others get theirs: one read into the worker's buffer, or what
// its pipe takes.
constexpr Relay::Budget kTurnBudget{.copied_bytes = 32 * 1024, .spliced_bytes = Pipe::kMostBytes};
// What is read once more of a socket that has failed: no turn follows, and an early answer shall arrive
// whole.
constexpr std::size_t kLastWordsBytes = 256 * 1024;
// What is kept of a client's first bytes until its backend answers: a TLS hello, large ones with post-quantum
// keys too.
constexpr std::size_t kOpeningBytes = 16 * 1024;
// How often a session without a descriptor for its backend side tries again.
constexpr std::chrono::milliseconds kDescriptorRetry{50};

EndReason failure_of(Side side, int error) {
  const bool lost = error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH || error == ENETDOWN;
  if (side == Side::Client) return lost ? EndReason::ClientLost : EndReason::ClientReset;
  return lost ? EndReason::BackendLost : EndReason::BackendReset;
}

// Ends that are no abort: what the kernel has still to deliver is delivered. A bare TCP probe is owed no
// reset.
bool is_orderly(EndReason reason) {
  return reason == EndReason::ClientClosed || reason == EndReason::BackendClosed ||
         reason == EndReason::ClientLeft;
}

Side other(Side side) {
  return side == Side::Client ? Side::Backend : Side::Client;
}

}  // namespace

Session::Session(SessionContext& context, Service& service, Fd client, const SocketAddress& client_address,
                 Fd backend_side)
    : context_(context), service_(service) {
  record_.service = service.index();
  record_.client = std::move(client);
  record_.backend_side = std::move(backend_side);
  record_.client_address = client_address;
  record_.accepted_at = context.loop.now();
  const ServiceConfig& config = service_.config();
  record_.limits = {.first_data = config.first_data_timeout.value_or(std::chrono::milliseconds::zero()),
                    .idle = config.idle_timeout,
                    .half_close = config.half_close_timeout};
  service_.enter();
}

Session::Session(SessionContext& context, Service& service, SessionRecord record)
    : context_(context), service_(service), record_(std::move(record)) {
  record_.plan.resume(record_.plan.deadline(), service_.connect_limits(), record_.plan.tried());
  service_.enter();
  if (record_.backend_socket)
    service_.load().backends[*record_.backend].fetch_add(1, std::memory_order_relaxed);
}

// Epoll reports what is ready already; what a relay had begun goes on without being told.
void Session::resume() {
  const bool watched = context_.poller.add(record_.client.get(), client_end_) &&
                       (!is_relaying() || context_.poller.add(record_.backend_socket.get(), backend_end_));
  if (!watched) {
    context_.on_no_descriptors(errno);
    return end(EndReason::NoDescriptors);
  }
  is_registered_ = true;
  if (!is_relaying()) return await_first_data();
  arm_relay_deadline();
  advance(Side::Client);
  if (is_relaying()) advance(Side::Backend);
}

SessionRecord Session::detach() {
  context_.poller.remove(record_.client.get());
  if (record_.backend_socket) {
    context_.poller.remove(record_.backend_socket.get());
    service_.load().backends[*record_.backend].fetch_sub(1, std::memory_order_relaxed);
  }
  context_.deadlines.cancel(*this);
  service_.leave();
  SessionRecord record = std::move(record_);
  record.detached_at = context_.loop.now();
  record_.phase = SessionPhase::Ended;
  return record;
}

void Session::start() {
  if (!context_.poller.add(record_.client.get(), client_end_)) {
    context_.on_no_descriptors(errno);
    return end(EndReason::NoDescriptors);
  }
  is_registered_ = true;
  if (!service_.config().first_data_timeout) return on_first_data();
  await_first_data();
}

// The first event comes by itself: EPOLL_CTL_ADD reports what is readable already.
void Session::await_first_data() {
  context_.deadlines.arm(*this, record_.accepted_at + record_.limits.first_data);
}

void Session::on_events(Side side, SocketEvents events) {
  if (events.ending) relay_from(side).expect_end();
  switch (record_.phase) {
    case SessionPhase::FirstData: {
      char first;
      const ssize_t peeked = recv(record_.client.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
      if (peeked > 0) return on_first_data();
      // Health checks of neighbours leave with a reset as often as with an end.
      if (peeked == 0 || errno == ECONNRESET) return end(EndReason::ClientLeft);
      if (errno != EAGAIN && errno != EINTR) return end(failure_of(Side::Client, errno));
      return;
    }
    case SessionPhase::Connecting:
      // What the client sends or ends meanwhile waits in the kernel until the relays start.
      if (side == Side::Backend) return on_attempt_event(events);
      if (events.failed) return check_failure(Side::Client);
      return;
    case SessionPhase::Relaying:
      return on_relay_events(side, events);
    case SessionPhase::Ended:
      return;  // a later event of the batch in which it ended
  }
}

void Session::on_first_data() {
  record_.phase = SessionPhase::Connecting;
  record_.plan.begin(context_.loop.now(), service_.connect_limits());
  connect_next();
}

void Session::connect_next() {
  for (;;) {
    const auto step =
        record_.plan.next(context_.loop.now(), service_.views(), service_.picker(), context_.random);
    if (std::holds_alternative<ConnectPlan::Exhausted>(step)) return end(EndReason::NoBackend);
    if (std::holds_alternative<ConnectPlan::DeadlinePassed>(step)) {
      return end(record_.backend ? EndReason::ConnectDeadline : EndReason::NoDescriptors);
    }
    if (start_attempt(std::get<ConnectPlan::Attempt>(step))) return;
  }
}

// True: under way, or waiting. False: failed at once, the next one's turn.
bool Session::start_attempt(const ConnectPlan::Attempt& chosen) {
  const Attempt::Start started = attempt().start(chosen, backend_end_);
  if (started == Attempt::Start::Failed) return false;
  const TimePoint again_at = std::min(context_.loop.now() + kDescriptorRetry, record_.plan.deadline());
  context_.deadlines.arm(*this, started == Attempt::Start::UnderWay ? chosen.give_up_at : again_at);
  return true;
}

void Session::on_attempt_event(SocketEvents events) {
  // The event may still be the last backend's, of the batch in which it failed us, and the next one may have
  // to wait for a descriptor.
  if (!record_.backend_socket) return;
  if (const int error = attempt().take_error(); error != 0) {
    attempt().fail(error);
    return connect_next();
  }
  if (events.writable && attempt().is_connected()) on_established();
}

void Session::on_established() {
  ++context_.steps;
  const TimePoint now = context_.loop.now();
  record_.phase = SessionPhase::Relaying;
  record_.established_at = now;
  record_.last_activity_at = now;
  record_.own_address = SocketAddress::local_of(record_.backend_socket.get());
  BackendCounters& counters = service_.counters().backends[*record_.backend];
  counters.sessions.add();
  counters.connect_duration.observe(now - record_.attempt_started_at);
  context_.deadlines.cancel(*this);
  arm_relay_deadline();
  record_.to_backend.keep_opening(kOpeningBytes);
  record_.to_client.hold_empty_end();
  advance(Side::Client);
  if (is_relaying()) advance(Side::Backend);
}

int Session::socket_of(Side side) const {
  return side == Side::Client ? record_.client.get() : record_.backend_socket.get();
}
Relay& Session::relay_from(Side side) {
  return side == Side::Client ? record_.to_backend : record_.to_client;
}
Relay& Session::relay_to(Side side) {
  return relay_from(other(side));
}

void Session::on_relay_events(Side side, SocketEvents events) {
  // One that has used its budget goes on next turn; one that waits for its sink is not read.
  const Relay::Status reading = relay_from(side).status();
  if (events.readable && reading == Relay::Status::AwaitsSource) go_on(side);
  if (is_relaying() && events.writable && relay_to(side).status() == Relay::Status::AwaitsSink)
    go_on(other(side));
  if (is_relaying() && events.failed) check_failure(side);
}

// What is in bulk waits for its turn, behind the small messages of the same batch of events.
void Session::go_on(Side source) {
  if (!relay_from(source).is_in_bulk()) return advance(source);
  relay_from(source).defer();
  wait_for_turn();
}

void Session::wait_for_turn() {
  if (!std::exchange(waits_for_turn_, true)) context_.on_more_to_do(*this);
}

// Moves what can be moved from `source`, and draws the conclusions.
void Session::advance(Side source) {
  Relay& relay = relay_from(source);
  const bool was_finished = relay.is_finished();
  const std::uint64_t bytes_before = relay.bytes();
  const auto status = relay.advance(socket_of(source), socket_of(other(source)), context_.means, kTurnBudget);
  if (const std::uint64_t moved = relay.bytes() - bytes_before; moved > 0) {
    count_moved(source, moved);
    record_.last_activity_at = context_.loop.now();
  }
  if (source == Side::Backend && !record_.to_client.is_untouched()) record_.to_backend.forget_opening();
  switch (status) {
    case Relay::Status::AwaitsSource:
    case Relay::Status::AwaitsSink:
      return;
    case Relay::Status::BudgetUsed:
      return wait_for_turn();
    case Relay::Status::SourceFailed:
      return on_socket_failed(source, relay.error());
    case Relay::Status::SinkFailed:
      return on_socket_failed(other(source), relay.error());
    case Relay::Status::EndedEmpty:
      if (may_redispatch()) return redispatch(ECONNRESET);
      relay.pass_empty_end();
      return advance(source);
    case Relay::Status::Finished:
      break;
  }
  if (was_finished) return;
  if (relay_to(source).is_finished()) {
    return end(record_.client_finished_first ? EndReason::ClientClosed : EndReason::BackendClosed);
  }
  record_.client_finished_first = source == Side::Client;
  record_.last_activity_at = context_.loop.now();
  arm_relay_deadline();
}

void Session::count_moved(Side source, std::uint64_t bytes) {
  BackendCounters& counters = service_.counters().backends[*record_.backend];
  (source == Side::Client ? counters.bytes_to_backend : counters.bytes_to_client).add(bytes);
  context_.moved_bytes += bytes;
}

void Session::on_socket_failed(Side side, int error) {
  // What it said before it failed is still to be read, for instance an early answer to a request that it did
  // not want.
  Relay& relay = relay_from(side);
  const std::uint64_t bytes_before = relay.bytes();
  const bool had_said_something =
      relay.salvage(socket_of(side), socket_of(other(side)), context_.means.buffer, kLastWordsBytes);
  count_moved(side, relay.bytes() - bytes_before);
  // EPIPE: the reset came after an end of stream.
  if (side == Side::Backend && !had_said_something && may_redispatch())
    return redispatch(error == EPIPE ? ECONNRESET : error);
  end(failure_of(side, error));
}

// The backend is gone before its first byte. A TLS client has said nothing yet but its hello, which another
// backend can be told as well. Anything else may have been acted upon, and is not said twice.
bool Session::may_redispatch() const {
  constexpr std::byte kTlsHandshake{22};  // RFC 8446 section 5.1, ContentType
  const auto opening = record_.to_backend.opening();
  return record_.to_client.is_untouched() && !opening.empty() && opening.front() == kTlsHandshake &&
         context_.loop.now() < record_.plan.deadline();
}

void Session::redispatch(int error) {
  record_.phase = SessionPhase::Connecting;
  record_.established_at = {};
  record_.to_backend.rewind();
  record_.to_client = Relay();
  // Not answering counts like not accepting: it is worth a check at once.
  attempt().fail(error);
  connect_next();
}

void Session::on_turn() {
  waits_for_turn_ = false;
  for (const Side side : {Side::Client, Side::Backend}) {
    if (!is_relaying() || relay_from(side).status() != Relay::Status::BudgetUsed) continue;
    advance(side);
    // Its source may have failed while it waited for this, behind more than the sink takes: that has had its
    // event.
    if (is_relaying() && relay_from(side).status() == Relay::Status::AwaitsSink) check_failure(side);
  }
}

// A socket failed whose own direction is not being read: only SO_ERROR knows. An EPOLLHUP without an error is
// the ordinary last event of a socket whose two directions are shut.
void Session::check_failure(Side side) {
  if (is_relaying() && relay_from(side).status() == Relay::Status::BudgetUsed) return;
  if (const int error = take_error(socket_of(side)); error != 0) {
    if (is_relaying()) return on_socket_failed(side, error);
    end(failure_of(side, error));
  }
}

// One entry stands for both limits; it is armed lazily: activity moves no timer, a deadline that comes too
// early is armed again.
void Session::arm_relay_deadline() {
  const Duration limit = silence_limit().limit;
  if (limit != Duration::zero()) context_.deadlines.arm(*this, record_.last_activity_at + limit);
}

Session::SilenceLimit Session::silence_limit() const {
  const auto& [first_data, idle, half_close] = record_.limits;
  const bool half_closed = record_.to_backend.is_finished() || record_.to_client.is_finished();
  if (half_closed && (idle == Duration::zero() || half_close < idle))
    return {.limit = half_close, .reason = EndReason::HalfCloseTimeout};
  return {.limit = idle, .reason = EndReason::IdleTimeout};
}

// A loop that was held up runs its timers before it looks at its sockets: what came in time counts, however
// late we see it.
void Session::on_deadline(TimePoint now) {
  switch (record_.phase) {
    case SessionPhase::FirstData:
      on_events(Side::Client, {});
      if (record_.phase == SessionPhase::FirstData) end(EndReason::FirstDataTimeout);
      return;
    case SessionPhase::Connecting:
      if (record_.backend_socket) {
        if (attempt().is_connected()) return on_attempt_event({.writable = true});
        const int error = attempt().take_error();
        attempt().fail(error != 0 ? error : ETIMEDOUT);
      }
      return connect_next();
    case SessionPhase::Relaying:
      for (const Side side : {Side::Client, Side::Backend}) {
        if (!is_relaying() || record_.last_activity_at + silence_limit().limit > now) continue;
        advance(side);
        if (is_relaying()) check_failure(side);  // for on_turn(), which will not find it waiting any more
      }
      if (!is_relaying()) return;
      arm_relay_deadline();
      if (!is_armed() || deadline() > now) return;
      return end(silence_limit().reason);
    case SessionPhase::Ended:
      return;
  }
}

void Session::end(EndReason reason) {
  if (has_ended()) return;
  const TimePoint now = context_.loop.now();
  if (is_orderly(reason)) {
    set_orderly_close(record_.client.get());
    if (record_.backend_socket) set_orderly_close(record_.backend_socket.get());
  }
  ++context_.steps;
  ServiceCounters& counters = service_.counters();
  counters.closed[static_cast<std::size_t>(reason)].add();
  counters.duration.observe(now - record_.accepted_at);
  context_.deadlines.cancel(*this);
  if (record_.backend_socket) attempt().give_up();
  context_.close(record_, record_.client);
  record_.backend_side.reset();
  service_.leave();
  record_.phase = SessionPhase::Ended;
  log_session_end(context_.log, service_, record_, reason, now);
  context_.on_ended(*this);
}

}  // namespace vipward
