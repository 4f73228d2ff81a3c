#include "lb/proxy/acceptor.h"

#include <cerrno>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {
// A burst must not keep running sessions waiting: the rest is accepted next turn.
constexpr int kBatch = 64;
}  // namespace

Acceptor::Acceptor(Loop& loop, Fd listener, Callbacks callbacks)
    : listener_(std::move(listener)),
      callbacks_(std::move(callbacks)),
      poll_(loop, listener_.get(), [this](Poll::Ready) { accept_some(); }) {
  resume();
}

void Acceptor::pause() {
  poll_.watch({});
}
void Acceptor::resume() {
  poll_.watch({.read = true});
}

void Acceptor::accept_some() {
  for (int i = 0; i < kBatch; ++i) {
    SocketAddress peer;
    Fd connection = accept_from(listener_.get(), peer);
    if (connection) {
      callbacks_.on_connection(std::move(connection), peer);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return callbacks_.on_drained();
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return callbacks_.on_shortage(errno);
      default:
        // ECONNABORTED and the network errors that accept(2) passes on from the new socket: this one is gone.
        continue;
    }
  }
}

}  // namespace vipward
