// A worker: the sessions of the listeners it was given, on one loop. Workers share nothing but what is in
// ProxyLoad; what others want of a worker arrives through its loop's mailbox. The listening sockets are the
// guardian's: it alone shuts them down. Owner: a WorkerThread, or a test; its loop's thread.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "config/config.h"
#include "lb/balance/rules.h"
#include "lb/event/every_turn.h"
#include "lb/event/heartbeat.h"
#include "lb/event/loop_lag.h"
#include "lb/proxy/acceptor.h"
#include "lb/proxy/counters.h"
#include "lb/proxy/evictor.h"
#include "lb/proxy/session_table.h"

namespace vipward {

// A listening descriptor and the service it belongs to.
struct ServiceListener {
  std::size_t service = 0;
  Fd socket;
};

class Worker {
 public:
  // Called on the worker's thread.
  struct Callbacks {
    std::function<void(BackendId)> on_connect_refused;
    std::function<void()> on_beat;  // every kBeat while the loop turns
  };
  static constexpr std::chrono::milliseconds kBeat{50};

  // `load`, `counters` (with one ServiceCounters per service) and `log` outlive it. Throws std::system_error
  // if the kernel gives no epoll descriptor.
  Worker(Loop& loop, Log& log, const std::vector<ServiceConfig>& services,
         std::vector<ServiceListener> listeners, ProxyLoad& load, WorkerCounters& counters,
         Callbacks callbacks);
  ~Worker();

  // More listeners: a worker may be made before it has any.
  void serve(std::vector<ServiceListener> listeners);
  // Lets nobody in any more; whoever is queued at a listener waits for the next generation. Sessions go on.
  void stop_accepting();
  // Sessions that nobody serves from now on, at most so many, and no more once they hold so many unsent
  // bytes. Those that are connecting are left: they are finished first.
  struct DetachLimits {
    std::size_t sessions = 0;
    std::size_t bytes = 0;
  };
  std::vector<SessionRecord> detach_some(const DetachLimits& limits);
  // Serves them, from this process or another one. Returns how long the one that waited longest had not been
  // served.
  Duration adopt(std::vector<SessionRecord> records);
  std::size_t sessions() const { return sessions_.living().size(); }
  // For each session, in no order.
  void for_each(const std::function<void(const SessionRecord&)>& look) const {
    for (const auto& session : sessions_.living()) look(session->record());
  }

  void set_standing(BackendId backend, const BackendStanding& standing);
  // Clients that come by way of one of these addresses through a listener on every address are reset from now
  // on: the VIPs while they are not ours. None: everybody is welcome, and nobody is asked (a system call per
  // client).
  void refuse_on(std::vector<IpAddress> addresses);
  // Resets the sessions whose client came by way of one of these addresses; returns how many.
  std::uint32_t reset_on(std::span<const IpAddress> addresses);
  // Takes no more clients and resets those that it has. Whoever is queued at a listener waits for the next
  // generation, or for whoever shuts the listener down.
  void stop();

 private:
  static constexpr std::size_t kBufferBytes = 32 * 1024;

  // Returns what it has cost, in bytes.
  std::uint64_t on_events(const SessionEnd& end, SocketEvents events);
  void open_acceptor(ServiceListener listener);
  Acceptor::Callbacks callbacks_for(Service& service, const SocketAddress& bound);
  bool came_too_late(const SocketAddress& bound, int connection) const;
  void admit(Service& service, const SocketAddress& bound, Fd connection, const SocketAddress& peer,
             Fd& backend_side);
  void pause_accepting(int error);
  void resume_accepting();
  void look_again();
  void on_listener_drained();
  void end_shortage();
  void on_session_ended(Session& session);
  void take_turn();
  void bury_the_dead();

  Loop& loop_;
  Log& log_;
  WorkerCounters& counters_;
  ProxyLoad& load_;
  Random random_;
  std::vector<std::byte> buffer_;
  Pipe pipe_;
  std::vector<std::unique_ptr<Service>> services_;
  SessionTable sessions_;
  SessionPoller poller_;
  SessionDeadlines deadlines_;
  EveryTurn next_turn_;
  std::deque<Session*> waiting_for_turn_;  // longest first
  Timer accept_again_;
  Evictor evictor_;
  LoopLag loop_lag_;
  Heartbeat heartbeat_;
  SessionContext context_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  bool accepting_paused_ = false;  // no acceptor is watched
  bool is_short_ = false;          // until every listener's queue could be emptied
  std::vector<IpAddress> refused_on_;
};

}  // namespace vipward
