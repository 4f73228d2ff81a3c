#include "lb/proxy/worker.h"

#include <algorithm>
#include <mutex>
#include <system_error>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {

// How soon accepting is tried again after a shortage when no session ends meanwhile.
constexpr std::chrono::milliseconds kAcceptRetry{100};
// Sessions without a byte for so long are handed over first. Those that move data follow when the successor
// has nothing else to do: between its thousands of new sockets, each with an event of its own, they would
// wait.
constexpr std::chrono::milliseconds kQuiet{100};
// What sessions that wait for their turn move in one turn of the loop, about.
constexpr std::uint64_t kTurnBytes = std::uint64_t{512} * 1024;

// What a small message or a step (SessionContext::steps) costs beside its bytes, as so many bytes: half a
// batch of them is a turn's share.
constexpr std::uint64_t kEventCost = 2 * SessionPoller::kTurnBytes / SessionPoller::kBatch;

bool contains(std::span<const IpAddress> addresses, const IpAddress& address) {
  return std::ranges::find(addresses, address) != addresses.end();
}

std::vector<std::unique_ptr<Service>> make_services(const std::vector<ServiceConfig>& configs,
                                                    ProxyLoad& load, WorkerCounters& counters, Log& log) {
  std::vector<std::unique_ptr<Service>> services;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    services.push_back(std::make_unique<Service>(i, configs[i], load, counters.services[i], log));
  }
  return services;
}

}  // namespace

Worker::Worker(Loop& loop, Log& log, const std::vector<ServiceConfig>& services,
               std::vector<ServiceListener> listeners, ProxyLoad& load, WorkerCounters& counters,
               Callbacks callbacks)
    : loop_(loop),
      log_(log),
      counters_(counters),
      load_(load),
      buffer_(kBufferBytes),
      pipe_(counters.spliced_bytes,
            [this](int error) {
              log_.info("no pipe or no splice(2), bulk streams are copied until it works",
                        {{"error", std::generic_category().message(error)}});
            }),
      services_(make_services(services, load, counters, log)),
      poller_(
          loop, [this](const SessionEnd& end, SocketEvents events) { return on_events(end, events); },
          [this] { bury_the_dead(); }),
      deadlines_(
          loop, [this](DeadlineQueue::Entry& due) { static_cast<Session&>(due).on_deadline(loop_.now()); },
          [this] { bury_the_dead(); }),
      next_turn_(loop, [this] { take_turn(); }),
      accept_again_(loop, [this] { look_again(); }),
      evictor_(loop, sessions_, services_, [this] { bury_the_dead(); }),
      loop_lag_(loop, counters.loop_lag),
      heartbeat_(loop, kBeat, std::move(callbacks.on_beat)),
      context_{.loop = loop,
               .poller = poller_,
               .deadlines = deadlines_,
               .random = random_,
               .log = log,
               .means = {.buffer = buffer_, .pipe = pipe_},
               .on_more_to_do =
                   [this](Session& session) {
                     waiting_for_turn_.push_back(&session);
                     next_turn_.start();
                   },
               .on_ended = [this](Session& session) { on_session_ended(session); },
               .on_connect_refused = std::move(callbacks.on_connect_refused),
               .on_no_descriptors = [this](int error) { pause_accepting(error); }} {
  for (ServiceListener& listener : listeners) open_acceptor(std::move(listener));
}

Worker::~Worker() {
  stop();
}

std::uint64_t Worker::on_events(const SessionEnd& end, SocketEvents events) {
  const std::uint64_t bytes_before = context_.moved_bytes;
  const std::uint64_t steps_before = context_.steps;
  end.session->on_events(end.side, events);
  const std::uint64_t moved = context_.moved_bytes - bytes_before;
  const std::uint64_t steps = context_.steps - steps_before;
  return moved + kEventCost * std::max<std::uint64_t>(steps, moved > 0 ? 1 : 0);
}

void Worker::open_acceptor(ServiceListener listener) {
  Service& service = *services_[listener.service];
  // Accepted sockets inherit these (Linux copies the listener's options, net/ipv4/inet_connection_sock.c).
  service.set_liveness(listener.socket.get());
  // None as well: it may have the one of an earlier configuration.
  set_user_timeout(listener.socket.get(), service.config().tcp_user_timeout);
  const SocketAddress bound = SocketAddress::local_of(listener.socket.get());
  acceptors_.push_back(std::make_unique<Acceptor>(loop_, std::move(listener.socket), service.usual_family(),
                                                  callbacks_for(service, bound)));
}

Acceptor::Callbacks Worker::callbacks_for(Service& service, const SocketAddress& bound) {
  return {.has_room = [&service] { return service.has_descriptors(); },
          .on_connection =
              [this, &service, bound](Fd connection, const SocketAddress& peer, Fd& backend_side) {
                admit(service, bound, std::move(connection), peer, backend_side);
              },
          .on_shortage = [this](int error) { pause_accepting(error); },
          .on_drained = [this] { on_listener_drained(); },
          .on_lost =
              [this, &service, bound](int error) {
                service.counters().lost_listeners.fetch_add(1, std::memory_order_relaxed);
                log_.error("listener lost, restart vipward",
                           {{"service", service.config().name},
                            {"address", bound.to_string()},
                            {"error", std::generic_category().message(error)}});
              },
          .on_found =
              [this, &service, bound] {
                service.counters().lost_listeners.fetch_sub(1, std::memory_order_relaxed);
                log_.info("listener is back",
                          {{"service", service.config().name}, {"address", bound.to_string()}});
              },
          .on_batch_end = [this] { bury_the_dead(); }};
}

// A client that was queued when the address went must not become one of its sessions. On a listener of the
// address alone there is none: its queue was reset.
bool Worker::came_too_late(const SocketAddress& bound, int connection) const {
  return !refused_on_.empty() && bound.ip().is_unspecified() &&
         contains(refused_on_, SocketAddress::local_of(connection).ip());
}

void Worker::admit(Service& service, const SocketAddress& bound, Fd connection, const SocketAddress& peer,
                   Fd& backend_side) {
  service.counters().accepted.add();
  const auto reason = came_too_late(bound, connection.get()) ? std::optional(RejectReason::VipReleased)
                                                             : service.refusal_of(peer.ip());
  if (reason) {
    service.counters().rejected[static_cast<std::size_t>(*reason)].add();
    if (log_.enabled(LogLevel::Debug)) {
      log_.debug(
          "client refused",
          {{"service", service.config().name}, {"client", peer.to_string()}, {"reason", to_string(*reason)}});
    }
    return;  // closing it resets it: the listener's SO_LINGER 0
  }
  sessions_
      .insert(
          std::make_unique<Session>(context_, service, std::move(connection), peer, std::move(backend_side)))
      .start();
}

void Worker::serve(std::vector<ServiceListener> listeners) {
  for (ServiceListener& listener : listeners) open_acceptor(std::move(listener));
}

void Worker::stop_accepting() {
  acceptors_.clear();
  accept_again_.cancel();
  accepting_paused_ = false;
  if (is_short_) end_shortage();
}

std::vector<SessionRecord> Worker::detach_some(const DetachLimits& limits) {
  std::vector<SessionRecord> records;
  std::size_t bytes = 0;
  for (const TimePoint active : {loop_.now() - kQuiet, TimePoint::max()}) {
    for (std::size_t i = sessions_.living().size(); i-- > 0;) {
      if (records.size() >= limits.sessions || bytes >= limits.bytes) break;
      Session& session = *sessions_.living()[i];
      if (session.record().last_activity_at > active || !session.can_be_detached()) continue;
      records.push_back(session.detach());
      bytes += records.back().held_bytes();
      sessions_.bury(session);
    }
  }
  bury_the_dead();
  return records;
}

// A VIP may have gone while they were on their way.
Duration Worker::adopt(std::vector<SessionRecord> records) {
  Duration longest{};
  for (SessionRecord& record : records) {
    longest = std::max(longest, Duration(loop_.now() - record.detached_at));
    Service& service = *services_[record.service];
    const bool is_late =
        !refused_on_.empty() && contains(refused_on_, SocketAddress::local_of(record.client.get()).ip());
    // As the acceptor has it: a client shall not be in without the socket for its backend side.
    if (record.phase == SessionPhase::FirstData && !record.backend_side)
      record.backend_side = open_tcp(service.usual_family());
    Session& session = sessions_.insert(std::make_unique<Session>(context_, service, std::move(record)));
    if (is_late) {
      session.abort(EndReason::VipReleased);
    } else {
      session.resume();
    }
  }
  bury_the_dead();
  evictor_.reconsider();
  return longest;
}

void Worker::set_standing(BackendId backend, const BackendStanding& standing) {
  services_[backend.service]->set_standing(backend.backend, standing);
  evictor_.reconsider();
}

void Worker::refuse_on(std::vector<IpAddress> addresses) {
  refused_on_ = std::move(addresses);
}

std::uint32_t Worker::reset_on(std::span<const IpAddress> addresses) {
  // Ends change the table: first who, then their end.
  std::vector<Session*> theirs;
  for (const auto& session : sessions_.living()) {
    const IpAddress local = SocketAddress::local_of(session->record().client.get()).ip();
    if (contains(addresses, local)) theirs.push_back(session.get());
  }
  for (Session* session : theirs) session->abort(EndReason::VipReleased);
  bury_the_dead();
  return static_cast<std::uint32_t>(theirs.size());
}

void Worker::stop() {
  stop_accepting();
  while (!sessions_.living().empty()) sessions_.living().back()->abort(EndReason::Stopping);
  bury_the_dead();
}

void Worker::pause_accepting(int error) {
  if (acceptors_.empty()) return;
  if (!std::exchange(accepting_paused_, true)) {
    for (const auto& acceptor : acceptors_) acceptor->pause();
    accept_again_.arm_after(kAcceptRetry);
  }
  if (std::exchange(is_short_, true)) return;
  counters_.accepting.store(false, std::memory_order_relaxed);
  const std::lock_guard lock(load_.transitions);
  if (++load_.short_workers > 1) return;
  log_.warn("accepting pauses, clients wait in the kernel's queue",
            {{"error", std::generic_category().message(error)},
             {"connections", load_.sessions.load(std::memory_order_relaxed)}});
}

void Worker::resume_accepting() {
  if (!std::exchange(accepting_paused_, false)) return;
  for (const auto& acceptor : acceptors_) acceptor->resume();
}

// Whether a shortage is over shows only when somebody accepts: with no next client nobody would.
void Worker::look_again() {
  resume_accepting();
  if (!is_short_) return;
  for (const auto& acceptor : acceptors_) {
    if (!accepting_paused_) acceptor->accept_some();
  }
  // The batch may have been all that waited, which nobody is told.
  if (is_short_) accept_again_.arm_after(kAcceptRetry);
}

// Only emptied queues end a shortage: one descriptor that came free may be gone with the next client.
void Worker::on_listener_drained() {
  if (!is_short_) return;
  const bool all =
      std::ranges::all_of(acceptors_, [](const auto& acceptor) { return acceptor->was_drained(); });
  if (!all) return;
  end_shortage();
}

void Worker::end_shortage() {
  is_short_ = false;
  counters_.accepting.store(true, std::memory_order_relaxed);
  const std::lock_guard lock(load_.transitions);
  --load_.short_workers;
  // Whoever takes no more clients does not go on.
  if (load_.short_workers > 0 || acceptors_.empty()) return;
  log_.info("accepting goes on", {{"connections", load_.sessions.load(std::memory_order_relaxed)}});
}

void Worker::on_session_ended(Session& session) {
  // One that could not even be registered has freed nothing that was missing.
  const bool was_registered = session.is_registered();
  sessions_.bury(session);
  if (was_registered) resume_accepting();
}

// Each at most once, from where the last turn left off.
void Worker::take_turn() {
  const std::uint64_t until = context_.moved_bytes + kTurnBytes;
  for (std::size_t left = waiting_for_turn_.size(); left > 0 && context_.moved_bytes < until; --left) {
    Session& session = *waiting_for_turn_.front();
    waiting_for_turn_.pop_front();
    session.on_turn();
  }
  if (waiting_for_turn_.empty()) next_turn_.stop();
  bury_the_dead();
}

void Worker::bury_the_dead() {
  std::erase_if(waiting_for_turn_, [](const Session* session) { return session->has_ended(); });
  sessions_.clear_graveyard();
}

}  // namespace vipward
