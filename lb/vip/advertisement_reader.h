// Datagrams of the VRRP socket as advertisements of our peers: decoded, checked against the configuration,
// counted; what is refused is said, once a minute per cause. Owner: the VirtualRouter; no socket and no clock
// of its own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/config.h"
#include "lb/log/log.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/instance.h"
#include "lb/vip/packet.h"
#include "lb/vip/said_once.h"

namespace vipward {

class AdvertisementReader {
 public:
  // `foreign` hears of routers that are active on our VRID and no peers. Both outlive it.
  AdvertisementReader(Log& log, ConflictWatch& foreign, const VipConfig& config,
                      std::vector<IpAddress> peers);

  // `bytes`: with the IP header. Nullopt: it is none of a peer's. `own`: what we send from, which a network
  // may reflect.
  std::optional<HeardAdvertisement> read(TimePoint now, std::span<const std::uint8_t> bytes,
                                         const std::optional<IpAddress>& own);

  std::uint64_t received() const { return received_; }
  // By VrrpRejectReason.
  const std::array<std::uint64_t, kVrrpRejectReasons.size()>& rejected() const { return rejected_; }

 private:
  void reject(TimePoint now, VrrpRejectReason reason, const std::string& source);
  void compare_addresses(TimePoint now, const Advertisement& advertisement, const IpAddress& source);

  Log& log_;
  ConflictWatch& foreign_;
  std::uint8_t virtual_router_id_;
  std::vector<IpAddress> addresses_;  // sorted
  std::vector<IpAddress> peers_;
  std::uint64_t received_ = 0;
  std::array<std::uint64_t, kVrrpRejectReasons.size()> rejected_{};
  SaidOnce said_;
};

}  // namespace vipward
