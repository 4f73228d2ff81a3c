// Whole Ethernet frames of one protocol on one interface (packet(7), AF_PACKET and SOCK_RAW). Never blocks.
// Own frames are not received. One thread. Needs CAP_NET_RAW when it is made.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "lb/net/fd.h"

namespace vipward {

class PacketSocket {
 public:
  // Receives nothing until it is attached. `filter` is a classic BPF program over the frame (empty:
  // everything of `protocol`, ETH_P_*). Start-up: throws std::system_error.
  PacketSocket(std::uint16_t protocol, std::span<const sock_filter> filter);

  // The same for life. An interface that goes down is POLLERR: receive() until nothing comes, then watch it
  // again (lb/event/poll.h).
  int fd() const { return fd_.get(); }
  // Follows an interface by its index, also one made anew; 0: none. 0 or an errno.
  int attach(unsigned index);
  unsigned interface() const { return index_; }

  // A frame with its Ethernet header. 0 or an errno: ENXIO (not attached), ENETDOWN, ENOBUFS, EAGAIN.
  int send(std::span<const std::uint8_t> frame);
  // The next frame, cut to the size of `into`; its length there. Nothing: none waits.
  std::optional<std::size_t> receive(std::span<std::uint8_t> into);

 private:
  Fd fd_;
  std::uint16_t protocol_;
  unsigned index_ = 0;
};

}  // namespace vipward
