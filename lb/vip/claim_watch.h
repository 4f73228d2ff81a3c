// Looks at what the Announcer has met: claims of others to addresses that are held, which are conflicts and
// are answered by announcing anew, and announcements that did not leave. Says both, once a minute per cause.
// A claim by the virtual router's own MAC (RFC 9568 7.3) is given time: its sender speaks VRRP, and says
// there who goes first. FRR announces an IPv6 address one interval before it does, and never again: answered
// at once, the neighbours would believe us when we have given way. Owner: the VirtualRouter; the guardian's
// loop.
#pragma once

#include <cstdint>
#include <optional>

#include "lb/event/time.h"
#include "lb/log/log.h"
#include "lb/net/link_table.h"
#include "lb/vip/announcer.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/said_once.h"

namespace vipward {

class ClaimWatch {
 public:
  // All of them outlive it. `patience`: with claims by the virtual router's MAC, once while we hold.
  ClaimWatch(Log& log, Announcer& announcer, ConflictWatch& foreign, std::uint8_t vrid, Duration patience)
      : log_(log), announcer_(announcer), foreign_(foreign), vrid_(vrid), patience_(patience) {}

  // `own`: the interfaces of this host, which do not count as others.
  void look(TimePoint now, const LinkTable& own);

 private:
  bool is_given_time(TimePoint now, const MacAddress& mac);

  Log& log_;
  Announcer& announcer_;
  ConflictWatch& foreign_;
  std::uint8_t vrid_;
  Duration patience_;
  std::optional<TimePoint> patient_until_;
  std::uint64_t failed_ = 0;  // when we looked last
  SaidOnce said_;
};

}  // namespace vipward
