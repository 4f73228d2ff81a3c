// Datagrams of the VRRP socket as advertisements of our peers: decoded, checked against the configuration,
// counted; what is refused is said, once a minute per cause. Owner: the VirtualRouter; no socket and no clock
// of its own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "lb/log/log.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/instance.h"
#include "lb/vip/packet.h"
#include "lb/vip/said_once.h"

namespace vipward {

class AdvertisementReader {
 public:
  struct Settings {
    Dialect dialect;
    std::vector<IpAddress> addresses;  // that ours name
    // Absent: multicast, whoever has our VRID is a peer.
    std::optional<std::vector<IpAddress>> peers;
  };
  // `foreign` hears of routers that are active on our VRID and no peers. Both outlive it.
  AdvertisementReader(Log& log, ConflictWatch& foreign, Settings settings);

  // What a VrrpSocket gave. Nullopt: it is none of a peer's. `own`: what we send from, which a network may
  // reflect.
  std::optional<HeardAdvertisement> read(TimePoint now,
                                         const std::variant<VrrpDatagram, VrrpRejectReason>& received,
                                         const std::optional<IpAddress>& own);

  std::uint64_t received() const { return received_; }
  // By VrrpRejectReason.
  const std::array<std::uint64_t, kVrrpRejectReasons.size()>& rejected() const { return rejected_; }

 private:
  bool is_peer(const IpAddress& source) const;
  void reject(TimePoint now, VrrpRejectReason reason, const std::string& source);
  void compare_addresses(TimePoint now, const Advertisement& advertisement, const IpAddress& source);

  Log& log_;
  ConflictWatch& foreign_;
  Settings settings_;  // the addresses sorted
  std::uint64_t received_ = 0;
  std::array<std::uint64_t, kVrrpRejectReasons.size()> rejected_{};
  SaidOnce said_;
};

}  // namespace vipward
