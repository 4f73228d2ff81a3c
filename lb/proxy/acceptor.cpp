#include "lb/proxy/acceptor.h"

#include <cerrno>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {
// A burst must not keep running sessions waiting: the rest is accepted next turn.
constexpr int kBatch = 64;

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Acceptor::Acceptor(Loop& loop, Fd listener, int backend_family, Callbacks callbacks)
    : listener_(std::move(listener)),
      backend_family_(backend_family),
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
    if (!has_backend_side()) return callbacks_.on_shortage(errno);
    SocketAddress peer;
    Fd connection = accept_from(listener_.get(), peer);
    if (connection) {
      callbacks_.on_connection(std::move(connection), peer, backend_side_);
      continue;
    }
    if (errno == EAGAIN) return callbacks_.on_drained();
    if (is_shortage(errno)) return callbacks_.on_shortage(errno);
    // ECONNABORTED and the network errors that accept(2) passes on from the new socket: this one is gone.
  }
}

bool Acceptor::has_backend_side() {
  if (!backend_side_) backend_side_ = open_tcp(backend_family_);
  return backend_side_ || !is_shortage(errno);
}

}  // namespace vipward
