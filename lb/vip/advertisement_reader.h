// Datagrams of the VRRP socket as advertisements of our peers: decoded, checked against the configuration,
// counted; what is refused is explained, once a minute per cause. Owner: the VirtualRouter; no socket and no
// clock of its own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lb/log/log.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/explained_packet.h"
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

  // What we send from.
  struct Own {
    std::optional<IpAddress> source;
    bool may_be_reflected = true;  // by the network: we are sending, or have been just now
  };
  // What a VrrpSocket gave. Nullopt: it is none of a peer's.
  std::optional<HeardAdvertisement> read(TimePoint now,
                                         const std::variant<VrrpDatagram, VrrpRejectReason>& received,
                                         const Own& own);

  // What is wrong with what a peer says, as long as it says so; empty: nothing. Of several the first: it is
  // kept while its packets come, so that two who alternate do not make the status change with each.
  const std::string& explanation() const { return explanation_; }
  // Of the last packet that had one, until its sender says something that is as it should be.
  const std::optional<ExplainedPacket>& last_explained() const { return last_explained_; }
  // Those of an earlier image's reader.
  void recall(std::optional<ExplainedPacket> last, std::optional<TimePoint> arrived_at) {
    last_explained_ = std::move(last);
    arrived_at_ = arrived_at;
  }
  std::optional<TimePoint> next_deadline() const { return explained_until_; }
  // The time has come to forget.
  void expire(TimePoint now);
  // The last packet of another host that has our VRID or an address of ours, understood or not.
  const std::optional<TimePoint>& arrived_at() const { return arrived_at_; }

  std::uint64_t received() const { return received_; }
  // By VrrpRejectReason.
  const std::array<std::uint64_t, kVrrpRejectReasons.size()>& rejected() const { return rejected_; }

 private:
  bool is_peer(const IpAddress& source) const;
  void hear_own_address(TimePoint now, const VrrpDatagram& datagram, const Own& own);
  void reject(TimePoint now, VrrpRejectReason reason, const VrrpDatagram& datagram);
  SaidOnce& said_of(const IpAddress& source);
  void explain(TimePoint now, std::string_view reason, const IpAddress& source,
               const std::optional<std::string>& explanation);
  void remember(TimePoint now, const IpAddress& source, const std::string& explanation);
  void compare_addresses(TimePoint now, const Advertisement& advertisement, const IpAddress& source);

  Log& log_;
  ConflictWatch& foreign_;
  Settings settings_;  // the addresses sorted
  std::uint64_t received_ = 0;
  std::array<std::uint64_t, kVrrpRejectReasons.size()> rejected_{};
  SaidOnce said_;
  SaidOnce said_of_peers_;  // that are named: however many strangers there are, they keep their lines
  std::set<IpAddress> other_vrids_;  // peers whose other VRID was said, which may be no mistake
  std::string explanation_;
  std::optional<TimePoint> explained_until_;
  std::optional<ExplainedPacket> last_explained_;
  std::optional<TimePoint> arrived_at_;
};

}  // namespace vipward
