// Our advertisements to every peer, or to the group: encoded, sent, counted; what the kernel
// refuses is said, once a minute per cause. Owner: the VirtualRouter; its VrrpSocket.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lb/log/log.h"
#include "lb/vip/packet.h"
#include "lb/vip/said_once.h"
#include "lb/vip/vrrp_socket.h"

namespace vipward {

class AdvertisementSender {
 public:
  struct Settings {
    Dialect dialect;
    std::vector<IpAddress> addresses;     // that each names
    std::vector<IpAddress> destinations;  // the peers, or the group
  };
  // `log` and `socket` outlive it.
  AdvertisementSender(Log& log, VrrpSocket& socket, Settings settings);

  // From `own`, which names `interval` as the time until the next one.
  void send(TimePoint now, const IpAddress& own, std::uint8_t priority, Duration interval);
  // Packets that left.
  std::uint64_t sent() const { return sent_; }
  // When the last one did.
  const std::optional<TimePoint>& last_sent() const { return last_sent_; }

 private:
  Log& log_;
  VrrpSocket& socket_;
  Settings settings_;
  std::uint64_t sent_ = 0;
  std::optional<TimePoint> last_sent_;
  SaidOnce said_;
};

}  // namespace vipward
