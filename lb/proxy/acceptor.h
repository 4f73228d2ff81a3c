// Accepts from one listening descriptor that was handed in: each client together with the socket for its
// backend side, so that descriptors that run out leave clients in the kernel's queue and never let one in who
// cannot be served. Worker thread.
#pragma once

#include <functional>

#include "lb/event/poll.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

class Acceptor {
 public:
  // `on_connection` takes each new connection, and the unconnected `backend_side` if it lets the client in.
  // `on_shortage` is told when the kernel has no descriptor or memory for the two (errno) and what waits must
  // wait; `on_drained` when nothing waits any more.
  struct Callbacks {
    std::function<void(Fd connection, const SocketAddress& peer, Fd& backend_side)> on_connection;
    std::function<void(int error)> on_shortage;
    std::function<void()> on_drained;
  };
  // `backend_family`: of the sockets made ahead for the backend side. One that the kernel does not know is no
  // shortage: clients come without.
  Acceptor(Loop& loop, Fd listener, int backend_family, Callbacks callbacks);

  // While paused, connections wait in the kernel's queue.
  void pause();
  void resume();
  // Accepts what waits, a batch at most, without being told that anything does.
  void accept_some();
  int listener() const { return listener_.get(); }

 private:
  // False: a shortage (errno).
  bool has_backend_side();

  Fd listener_;
  int backend_family_;
  Fd backend_side_;  // the next client's
  Callbacks callbacks_;
  Poll poll_;
};

}  // namespace vipward
