// What a virtual router has to know to go on in the guardian's next image: plain values, no configuration,
// of which the next image has its own. Times are of the steady clock, which goes on across an execve(2). Log
// lines that come once a minute may come once more.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"
#include "lb/vip/announce_plan.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/explained_packet.h"
#include "lb/vip/instance.h"
#include "lb/vip/keeping.h"
#include "lb/vip/vip_report.h"

namespace vipward {

struct VipMemory {
  std::string interface;                 // that of the VIPs; an interface that was found once stays it
  std::vector<IpAddress> own_peers;      // those of `peers` that are this host
  std::optional<IpAddress> source;       // of our packets
  std::optional<VrrpPassword> password;  // of version 2; the file may be another one by now
  Duration interval{};                   // of our advertisements
  std::vector<IpAddress> advertised;     // that they name
  unsigned socket_interface = 0;         // what the VRRP socket listens on: an index, 0: not all it should
  bool links_usable = false;             // they were, when they were looked at last
  Candidacy wish = Candidacy::None;      // as told by set_candidacy(), without the links
  std::string wish_why;
  InstanceMemory instance;
  AnnounceMemory announcing;
  KeepingMemory keeping;
  ConflictMemory conflict;
  std::optional<ExplainedPacket> last_explained;
  std::optional<TimePoint> arrived_at;  // see AdvertisementReader
  VipCounters counters;
  std::optional<WallTime> since;
  std::string reason;
  std::optional<WallTime> peer_heard_at;
};

}  // namespace vipward
