// Our advertisements to every peer, as the configuration wants them: encoded, sent, counted; what the kernel
// refuses is said, once a minute per cause. Owner: the VirtualRouter; its VrrpSocket.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.h"
#include "lb/log/log.h"
#include "lb/vip/packet.h"
#include "lb/vip/said_once.h"
#include "lb/vip/vrrp_socket.h"

namespace vipward {

class AdvertisementSender {
 public:
  // `log` and `socket` outlive it.
  AdvertisementSender(Log& log, VrrpSocket& socket, const VipConfig& config, std::vector<IpAddress> peers);

  // From `own`, which names `interval` as the time until the next one.
  void send(TimePoint now, const IpAddress& own, std::uint8_t priority, Duration interval);
  // Packets that left.
  std::uint64_t sent() const { return sent_; }

 private:
  Log& log_;
  VrrpSocket& socket_;
  Advertisement advertisement_;  // what is the same in each
  ChecksumForm form_;
  std::vector<IpAddress> peers_;
  std::uint64_t sent_ = 0;
  SaidOnce said_;
};

}  // namespace vipward
