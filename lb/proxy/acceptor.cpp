#include "lb/proxy/acceptor.h"

#include <cerrno>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {
// A burst must not keep running sessions waiting: the rest is accepted next turn.
constexpr int kBatch = 64;

}  // namespace

Acceptor::Acceptor(Loop& loop, Fd listener, int backend_family, Callbacks callbacks)
    : listener_(std::move(listener)),
      backend_family_(backend_family),
      callbacks_(std::move(callbacks)),
      poll_(loop, listener_.get(),
            [this](Poll::Ready ready) { ready.failed ? die(EINVAL) : accept_some(); }) {
  resume();
}

void Acceptor::pause() {
  poll_.watch({});
}
void Acceptor::resume() {
  if (!is_dead_) poll_.watch({.read = true});
}

void Acceptor::accept_some() {
  if (!is_dead_) accept_batch();
  callbacks_.on_batch_end();
}

void Acceptor::accept_batch() {
  for (int i = 0; i < kBatch; ++i) {
    if (!callbacks_.has_room()) return callbacks_.on_shortage(EMFILE);
    if (!has_backend_side()) return callbacks_.on_shortage(errno);
    SocketAddress peer;
    Fd connection = accept_from(listener_.get(), peer);
    if (connection) {
      callbacks_.on_connection(std::move(connection), peer, backend_side_);
      continue;
    }
    if (errno == EAGAIN) return callbacks_.on_drained();
    if (is_shortage(errno)) return callbacks_.on_shortage(errno);
    // accept(2): EINVAL is a socket that does not listen, shut down or destroyed from outside.
    if (errno == EINVAL || errno == EBADF || errno == ENOTSOCK) return die(errno);
    // ECONNABORTED and the network errors that accept(2) passes on from the new socket: this one is gone.
  }
}

void Acceptor::die(int error) {
  pause();
  if (!std::exchange(is_dead_, true)) callbacks_.on_dead(error);
}

bool Acceptor::has_backend_side() {
  if (!backend_side_) backend_side_ = open_tcp(backend_family_);
  return backend_side_ || !is_shortage(errno);
}

}  // namespace vipward
