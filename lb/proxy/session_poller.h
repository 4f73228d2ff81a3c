// The worker's own edge-triggered epoll, around its libuv loop (Loop::Outer). Each socket of a session is
// added once for its whole life, with every event it may ever want; closing it takes it out, if no other
// process holds it too (epoll(7): the last descriptor of the description). One uv_poll handle per socket
// would cost an EPOLL_CTL_DEL and an ADD at every change of interest. Owner: a worker; its thread.
#pragma once

#include <cstdint>
#include <functional>

#include "lb/event/loop.h"
#include "lb/net/fd.h"

struct epoll_event;

namespace vipward {

class Session;

// Which socket of which session an event belongs to. Lives in the session.
struct SessionEnd {
  enum class Side : std::uint8_t { Client, Backend };
  Session* session = nullptr;
  Side side = Side::Client;
};

// What epoll said of a socket.
struct SocketEvents {
  bool readable = false;  // data, an end or an error to be read
  bool writable = false;
  bool ending = false;  // Relay::expect_end()
  bool failed = false;  // an error is pending, or both directions are shut
};

class SessionPoller {
 public:
  // A turn of the loop takes one batch on, and more while these have cost no more than kTurnBytes: thousands
  // of events that cost nothing, as of sessions that have just been taken over, must not stand in the way for
  // many turns. What remains is there in the next one, after timers, mailbox and sessions that wait for their
  // turn have had theirs.
  static constexpr std::size_t kBatch = 512;
  static constexpr std::size_t kTurnEvents = 4096;
  static constexpr std::size_t kTurnBytes = std::size_t{128} * 1024;

  // Throws std::system_error if the kernel gives no epoll descriptor. `on_events` for each event of a batch,
  // returns what it has cost, in bytes moved. `on_batch_end` after it: sessions that ended meanwhile must
  // live until then, as later events of the batch may still point at them.
  SessionPoller(Loop& loop, std::function<std::uint64_t(SessionEnd&, SocketEvents)> on_events,
                std::function<void()> on_batch_end);
  ~SessionPoller();

  // False leaves errno (ENOMEM, ENOSPC: fs.epoll.max_user_watches).
  bool add(int fd, SessionEnd& end);
  // Of a socket that another process holds or will hold: closing ours would not take it out (epoll(7)).
  // Events of the batch under way may still come; of one that was not added: nothing.
  void remove(int fd);

 private:
  bool turn(int timeout_ms);
  std::uint64_t dispatch(const epoll_event& event);

  Loop& loop_;
  std::function<std::uint64_t(SessionEnd&, SocketEvents)> on_events_;
  std::function<void()> on_batch_end_;
  Fd epoll_;
};

}  // namespace vipward
