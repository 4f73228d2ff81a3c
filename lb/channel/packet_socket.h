// A non-blocking seqpacket socket of a loop: packets with descriptors, out and in. It does not know what they
// mean. Owner: an Endpoint. Loop thread only; every callback may destroy the socket.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "lb/channel/codec.h"
#include "lb/event/poll.h"
#include "lb/event/timer.h"
#include "lb/net/fd.h"

namespace vipward::channel {

class PacketSocket {
 public:
  struct Handlers {
    // False: the packet is refused. on_refused follows.
    std::function<bool(std::span<const std::uint8_t>, std::vector<Fd>)> on_packet;
    // The other end is gone, or the socket failed. Called once, the last call.
    std::function<void()> on_closed;
    // The other end sent what is no packet of ours. Called once, the last call.
    std::function<void()> on_refused;
    // Descriptors that were sent found no room in this process (EMFILE): the packet is lost, but for its
    // bytes.
    std::function<void(std::span<const std::uint8_t>)> on_descriptors_lost;
  };
  // An outgoing packet with what keeps its descriptors open.
  struct Outgoing {
    Packet packet;
    std::shared_ptr<const void> owner;  // owner: the queue alone
  };
  static constexpr std::size_t kLongestQueue = 512;
  // A flood costs the loop this many packets a turn, then others have theirs.
  static constexpr int kPacketsPerTurn = 16;

  // Without `accepts_descriptors` none is ever installed in this process: a packet that carries one is
  // refused.
  struct Options {
    bool accepts_descriptors = false;
  };
  PacketSocket(Loop& loop, Fd socket, Options options, Handlers handlers);
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;
  ~PacketSocket();

  // See Endpoint::send.
  bool send(Outgoing outgoing);
  // Nothing more is sent, and the other end is told so. What it had still sent is read, then on_closed
  // follows, in a later turn.
  void give_up();
  // False from give_up() on, or once sending has shown that the other end is gone: nothing can be sent.
  bool is_open() const { return !ended_; }
  std::size_t queued() const { return queue_.size(); }
  // How many packets the kernel has taken since the beginning: those may arrive, all others never will.
  std::uint64_t sent() const { return sent_; }
  int fd() const { return socket_.get(); }

 private:
  enum class Sent { Yes, WhenWritable, Later, Never };
  Sent try_send(const Packet& packet);
  void flush();
  void watch();
  void on_ready(Poll::Ready ready);
  void receive();
  bool receive_one();
  // The last call out: `handler` may destroy this.
  void end(const std::function<void()>& handler);

  Handlers handlers_;
  Options options_;
  Fd socket_;  // before poll_: closed after it
  bool ended_ = false;
  bool wants_write_ = false;
  bool failed_before_ = false;
  std::uint64_t sent_ = 0;
  std::deque<Outgoing> queue_;
  std::vector<std::uint8_t> buffer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // owners: this and the call under way
  Poll poll_;
  Timer retry_;
};

}  // namespace vipward::channel
