// Looks at what the Announcer has met: claims of others to addresses that are held, which are conflicts and
// are answered by announcing anew, and announcements that did not leave. Says both, once a minute per cause.
// Owner: the VirtualRouter; the guardian's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "lb/event/time.h"
#include "lb/log/log.h"
#include "lb/net/link_table.h"
#include "lb/net/mac_address.h"
#include "lb/vip/announcer.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/said_once.h"

namespace vipward {

class ClaimWatch {
 public:
  // How long the answer to a router waits that claims by the virtual router's own MAC, and for how long it
  // then has to be silent to be given that time again. FRR announces an IPv6 address one interval, by default
  // a second, before it first advertises, and never again: answered at once, the neighbours would go on
  // believing us when we have given way, and a kernel that looks for duplicates would take us for one.
  static constexpr Duration kPatience = std::chrono::seconds(3);
  static constexpr Duration kCalm = std::chrono::minutes(1);

  // All of them outlive it. `router_mac`: that of our virtual router (RFC 9568 7.3); absent: nobody is waited
  // for.
  ClaimWatch(Log& log, Announcer& announcer, ConflictWatch& foreign, std::optional<MacAddress> router_mac)
      : log_(log), announcer_(announcer), foreign_(foreign), router_mac_(router_mac) {}

  // `own`: the interfaces of this host, which do not count as others.
  void look(TimePoint now, const LinkTable& own);
  // When look() wants to be called although nobody claims.
  std::optional<TimePoint> next_deadline() const { return answer_at_; }

 private:
  void answer(TimePoint now, const MacAddress& mac);

  Log& log_;
  Announcer& announcer_;
  ConflictWatch& foreign_;
  std::optional<MacAddress> router_mac_;
  std::optional<TimePoint> answer_at_;
  std::optional<TimePoint> router_claimed_at_;  // the last time
  std::uint64_t failed_ = 0;                    // when we looked last
  SaidOnce said_;
};

}  // namespace vipward
