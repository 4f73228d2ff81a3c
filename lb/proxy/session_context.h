// What a worker lends its sessions. Owner: the worker; its thread.
#pragma once

#include <cstdint>
#include <functional>

#include "lb/balance/rules.h"
#include "lb/event/random.h"
#include "lb/log/log.h"
#include "lb/proxy/session_deadlines.h"
#include "lb/proxy/session_poller.h"
#include "lb/proxy/session_record.h"

namespace vipward {

struct SessionContext {
  Loop& loop;
  SessionPoller& poller;
  SessionDeadlines& deadlines;
  Random& random;
  Log& log;
  Relay::Means means;
  std::function<void(Session&)> on_more_to_do;        // call on_turn() when it is its turn
  std::function<void(Session&)> on_ended;             // the session's last words
  std::function<void(BackendId)> on_connect_refused;  // worth a check at once
  std::function<void(int error)> on_no_descriptors;   // EMFILE and the like
  std::uint64_t moved_bytes = 0;                      // by all of them, ever
  std::uint64_t steps = 0;                            // the same: attempts, connections, ends

  // A socket of the session's with this record. One that was on its way to another process may have a copy
  // there, until that has closed it: closing ours takes it out of epoll only with the last one (epoll(7)),
  // and its events would find a session that is no more.
  void close(const SessionRecord& record, Fd& socket) const {
    if (socket && record.detached_at != TimePoint{}) poller.remove(socket.get());
    socket.reset();
  }
};

}  // namespace vipward
