#include "lb/proxy/acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {
namespace {
// A burst must not keep running sessions waiting: the rest is accepted next turn. A worker has up to eight
// acceptors on an address.
constexpr int kBatch = 16;

constexpr std::chrono::milliseconds kLookEvery{50};
constexpr std::chrono::seconds kMissedAfter{1};

}  // namespace

Acceptor::Acceptor(Loop& loop, Fd listener, int backend_family, Callbacks callbacks)
    : loop_(loop),
      listener_(std::move(listener)),
      backend_family_(backend_family),
      callbacks_(std::move(callbacks)),
      poll_(loop, listener_.get(),
            [this](Poll::Ready ready) {
              if (ready.failed) rearm();
              accept_some();
            }),
      look_again_(loop, [this] { look_again(); }) {
  watch();
}

void Acceptor::pause() {
  paused_ = true;
  was_drained_ = false;
  watch();
}
void Acceptor::resume() {
  paused_ = false;
  watch();
}

// A socket that does not listen hangs up (EPOLLHUP) for as long: watching it would spin.
void Acceptor::watch() {
  poll_.watch({.read = !paused_ && !silence_});
}

// Destroyed from outside (SOCK_DESTROY): the error has to be taken, or it stays.
void Acceptor::rearm() {
  take_error(listener_.get());
  watch();
}

void Acceptor::accept_some() {
  if (silence_) return drained();
  accept_batch();
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
    if (errno == EAGAIN) return drained();
    if (is_shortage(errno)) return callbacks_.on_shortage(errno);
    // accept(2): EINVAL is a socket that does not listen, shut down or destroyed from outside.
    if (errno == EINVAL || errno == EBADF || errno == ENOTSOCK) return on_silent(errno);
    // ECONNABORTED and the network errors that accept(2) passes on from the new socket: this one is gone.
  }
}

void Acceptor::drained() {
  was_drained_ = true;
  callbacks_.on_drained();
}

bool Acceptor::has_backend_side() {
  if (!backend_side_) backend_side_ = open_tcp(backend_family_);
  return backend_side_ || !is_shortage(errno);
}

bool Acceptor::listens() const {
  int listens = 0;
  socklen_t size = sizeof listens;
  return getsockopt(listener_.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

void Acceptor::on_silent(int error) {
  if (listens()) return;  // again already
  silence_ = Silence{.since = loop_.now(), .error = error};
  watch();
  look_again_.arm_after(kLookEvery);
  drained();
}

void Acceptor::look_again() {
  if (listens()) {
    const Silence over = *std::exchange(silence_, std::nullopt);
    watch();
    if (over.said) callbacks_.on_found();
    return;
  }
  look_again_.arm_after(kLookEvery);
  if (loop_.now() - silence_->since < kMissedAfter) return;
  if (!std::exchange(silence_->said, true)) callbacks_.on_lost(silence_->error);
}

}  // namespace vipward
