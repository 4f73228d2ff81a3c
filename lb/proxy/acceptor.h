// Accepts from one listening descriptor that was handed in. Worker thread.
#pragma once

#include <functional>

#include "lb/event/poll.h"
#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward {

class Acceptor {
 public:
  // `on_connection` takes each new connection. `on_shortage` is told when the kernel has no descriptor or
  // memory for one (errno) and what waits must wait; `on_drained` when nothing waits any more.
  struct Callbacks {
    std::function<void(Fd, const SocketAddress&)> on_connection;
    std::function<void(int error)> on_shortage;
    std::function<void()> on_drained;
  };
  Acceptor(Loop& loop, Fd listener, Callbacks callbacks);

  // While paused, connections wait in the kernel's queue.
  void pause();
  void resume();
  int listener() const { return listener_.get(); }

 private:
  void accept_some();

  Fd listener_;
  Callbacks callbacks_;
  Poll poll_;
};

}  // namespace vipward
