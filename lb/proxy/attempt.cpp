#include "lb/proxy/attempt.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "lb/net/socket.h"

namespace vipward {

Attempt::Start Attempt::start(const ConnectPlan::Attempt& chosen, SessionEnd& end) {
  const SocketAddress& address = service_.backend(chosen.backend).address;
  record_.attempt_started_at = context_.loop.now();
  record_.backend_socket = take_socket(address.ip().family());
  if (!record_.backend_socket && is_shortage(errno)) {
    context_.on_no_descriptors(errno);
    record_.plan.take_back(chosen.backend);
    record_.backend.reset();
    return Start::NoDescriptor;
  }
  record_.backend = chosen.backend;
  service_.load().backends[chosen.backend].fetch_add(1, std::memory_order_relaxed);
  if (!record_.backend_socket) {  // EAFNOSUPPORT: no IPv6 here
    fail(errno);
    return Start::Failed;
  }
  const int fd = record_.backend_socket.get();
  service_.set_liveness(fd);
  const int error = start_connect(fd, address);
  ++context_.steps;
  // Added only now: an unconnected socket would report EPOLLHUP.
  const bool goes_on = error == 0 || error == EINPROGRESS;
  if (goes_on && context_.poller.add(fd, end)) return Start::UnderWay;
  fail(goes_on ? errno : error);
  return Start::Failed;
}

// The one that came with the client, while there is one and it fits; else a new one. Empty leaves errno.
Fd Attempt::take_socket(int family) {
  Fd ready = std::move(record_.backend_side);
  if (ready && family == service_.usual_family()) return ready;
  ready.reset();
  return open_tcp(family);
}

// TCP's simultaneous open: towards a free port of this host the kernel may have picked that very port as
// ours.
int Attempt::take_error() const {
  const int error = vipward::take_error(record_.backend_socket.get());
  return error == 0 && is_connected_to_itself() ? ECONNREFUSED : error;
}

bool Attempt::is_connected() const {
  return SocketAddress::peer_of(record_.backend_socket.get()) != SocketAddress();
}

bool Attempt::is_connected_to_itself() const {
  return SocketAddress::local_of(record_.backend_socket.get()) == service_.backend(*record_.backend).address;
}

void Attempt::fail(int error) {
  record_.attempt_error = error;
  // A fault of this host's is not the backend's.
  if (!is_local_failure(error)) service_.counters().backends[*record_.backend].connect_failures.add();
  if (context_.log.enabled(LogLevel::Debug)) {
    context_.log.debug("connect failed", {{"service", service_.config().name},
                                          {"backend", service_.backend(*record_.backend).name},
                                          {"client", record_.client_address.to_string()},
                                          {"error", std::generic_category().message(error)}});
  }
  if (error == ECONNREFUSED || error == ECONNRESET)
    context_.on_connect_refused({.service = record_.service, .backend = *record_.backend});
  give_up();
}

void Attempt::give_up() {
  if (!record_.backend) return;
  context_.close(record_, record_.backend_socket);
  service_.load().backends[*record_.backend].fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace vipward
