// One end of the channel: typed messages over a seqpacket socket. The guardian owns a GuardianEnd for each
// proxy, the proxy one ProxyEnd. Loop thread only; every handler may destroy the end.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <variant>

#include "lb/channel/codec.h"
#include "lb/channel/packet_socket.h"

namespace vipward::channel {

template <class Outgoing, class Incoming>
class Endpoint {
 public:
  struct Handlers {
    std::function<void(Incoming)> on_message;
    // The other process closed its end or is gone. Called once, nothing follows.
    std::function<void()> on_closed;
    // The other process sent what is no message: it is broken or hostile. Called once, nothing follows.
    std::function<void()> on_malformed;
    // ProxyEnd only: this process had no descriptor left for what a message of this kind (its place in the
    // variant) carried; the message is lost, the channel goes on. May be left out.
    std::function<void(std::size_t kind)> on_descriptors_lost{};
  };
  // `socket`: one of create_pair(). At most PacketSocket::kPacketsPerTurn messages a turn.
  Endpoint(Loop& loop, Fd socket, Handlers handlers);

  // In order. What the kernel does not take now waits in a queue of at most PacketSocket::kLongestQueue.
  // False: the message is dropped, because the queue is full or, see is_open(), the other end is gone.
  bool send(Outgoing message) {
    const auto kept = std::make_shared<const Outgoing>(std::move(message));
    return socket_.send({.packet = encode(*kept), .owner = kept});
  }
  // False: the channel has ended; what sending found out, on_closed tells in a later turn.
  bool is_open() const { return socket_.is_open(); }
  // The socket's number, for whoever goes on with it (a re-execution).
  int fd() const { return socket_.fd(); }
  // Messages that the kernel has not taken yet.
  std::size_t queued() const { return socket_.queued(); }

 private:
  PacketSocket socket_;
};

using GuardianEnd = Endpoint<ToProxy, ToGuardian>;
using ProxyEnd = Endpoint<ToGuardian, ToProxy>;
extern template class Endpoint<ToProxy, ToGuardian>;
extern template class Endpoint<ToGuardian, ToProxy>;

// The two ends; close-on-exec, non-blocking. Throws std::system_error.
struct Pair {
  Fd guardian;
  Fd proxy;
};
Pair create_pair();

}  // namespace vipward::channel
