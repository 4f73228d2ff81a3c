// One client, served by one backend: accept -> first client bytes -> connect, with the next backend on
// failure -> relay both ways -> end, with an EndReason. Knows nothing of other sessions or of how many
// workers there are. Owner: the worker's SessionTable; worker thread. When it has ended it says so through
// SessionContext::on_ended, and is freed only after the event batch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lb/proxy/attempt.h"

namespace vipward {

class Session : public DeadlineQueue::Entry {
 public:
  // `backend_side`: a socket for the first attempt, of the service's usual family; empty: none was to be had.
  Session(SessionContext& context, Service& service, Fd client, const SocketAddress& client_address,
          Fd backend_side);
  // One that was detached, here or in another process; `record.service` and `record.backend` are positions in
  // this one's configuration. resume() follows.
  Session(SessionContext& context, Service& service, SessionRecord record);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // May end the session.
  void start();
  void resume();
  // Whether it can be handed over now: one that is connecting is finished first.
  bool can_be_detached() const {
    return record_.phase == SessionPhase::FirstData || record_.phase == SessionPhase::Relaying;
  }
  // Stops everything and gives the state away. It counts as ended from now on, without an end being counted
  // or logged. Not from within one of its own calls.
  SessionRecord detach();
  void on_events(SessionEnd::Side side, SocketEvents events);
  void on_turn();
  void on_deadline(TimePoint now);
  // Ends it with a reset to both sides. Harmless if it has ended.
  void abort(EndReason reason) { end(reason); }

  const SessionRecord& record() const { return record_; }
  // False: the kernel had no room for it in epoll; it ends in start().
  bool is_registered() const { return is_registered_; }
  bool has_ended() const { return record_.phase == SessionPhase::Ended; }

 private:
  friend class SessionTable;

  void await_first_data();
  void on_first_data();
  void connect_next();
  Attempt attempt() { return {context_, service_, record_}; }
  bool start_attempt(const ConnectPlan::Attempt& chosen);
  void on_attempt_event(SocketEvents events);
  void on_established();

  int socket_of(SessionEnd::Side side) const;
  Relay& relay_from(SessionEnd::Side side);
  Relay& relay_to(SessionEnd::Side side);
  void advance(SessionEnd::Side source);
  void count_moved(SessionEnd::Side source, std::uint64_t bytes);
  void on_relay_events(SessionEnd::Side side, SocketEvents events);
  void go_on(SessionEnd::Side source);
  void wait_for_turn();
  void check_failure(SessionEnd::Side side);
  void on_socket_failed(SessionEnd::Side side, int error);
  bool is_relaying() const { return record_.phase == SessionPhase::Relaying; }
  bool may_redispatch() const;
  void redispatch(int error);
  struct SilenceLimit {
    Duration limit{};  // zero: none
    EndReason reason = EndReason::IdleTimeout;
  };
  SilenceLimit silence_limit() const;
  void arm_relay_deadline();
  void end(EndReason reason);

  SessionContext& context_;
  Service& service_;
  SessionRecord record_;
  SessionEnd client_end_{this, SessionEnd::Side::Client};
  SessionEnd backend_end_{this, SessionEnd::Side::Backend};
  bool is_registered_ = false;
  bool waits_for_turn_ = false;
  std::size_t table_position_ = 0;  // SessionTable's
};

}  // namespace vipward
