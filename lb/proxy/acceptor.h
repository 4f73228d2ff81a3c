// Accepts from one listening descriptor that was handed in: each client together with the socket for its
// backend side, so that descriptors that run out leave clients in the kernel's queue and never let one in who
// cannot be served. Worker thread.
//
// The socket is somebody else's too, who may shut it down (which resets its queue) and have it listen again
// in the next microsecond: it is looked at again and again, and missed only after a second.
#pragma once

#include <functional>
#include <optional>

#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

class Acceptor {
 public:
  // `has_room`: whether a client could be served at all; if not, that is a shortage like the kernel's.
  // `on_connection` takes each new connection, and the unconnected `backend_side` if it lets the client in.
  // `on_shortage` is told when the kernel has no descriptor or memory for the two (errno) and what waits must
  // wait; `on_drained` when nothing waits any more; `on_lost` when the socket has not listened for a second
  // (errno of accept), `on_found` when after that it does again. `on_batch_end` comes last.
  struct Callbacks {
    std::function<bool()> has_room;
    std::function<void(Fd connection, const SocketAddress& peer, Fd& backend_side)> on_connection;
    std::function<void(int error)> on_shortage;
    std::function<void()> on_drained;
    std::function<void(int error)> on_lost;
    std::function<void()> on_found;
    std::function<void()> on_batch_end;
  };
  // `backend_family`: of the sockets made ahead for the backend side. One that the kernel does not know is no
  // shortage: clients come without.
  Acceptor(Loop& loop, Fd listener, int backend_family, Callbacks callbacks);

  // While paused, connections wait in the kernel's queue.
  void pause();
  void resume();
  // Accepts what waits, a batch at most, without being told that anything does.
  void accept_some();
  // Nothing has waited at some time since the last pause.
  bool was_drained() const { return was_drained_; }

 private:
  // While the socket does not listen.
  struct Silence {
    TimePoint since{};
    int error = 0;  // accept's
    bool said = false;
  };

  void accept_batch();
  // False: a shortage (errno).
  bool has_backend_side();
  bool listens() const;
  void on_silent(int error);
  void look_again();
  void watch();
  void rearm();
  void drained();

  Loop& loop_;
  Fd listener_;
  int backend_family_;
  Fd backend_side_;  // the next client's
  Callbacks callbacks_;
  bool paused_ = false;
  bool was_drained_ = false;
  std::optional<Silence> silence_;
  Poll poll_;
  Timer look_again_;
};

}  // namespace vipward
