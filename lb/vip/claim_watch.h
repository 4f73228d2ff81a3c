// Looks at what the Announcer has met: claims of others to addresses that are held, which are conflicts and
// are answered by announcing anew, and announcements that did not leave. Says both, once a minute per cause.
// Owner: the VirtualRouter; the guardian's loop.
#pragma once

#include <cstdint>

#include "lb/event/time.h"
#include "lb/log/log.h"
#include "lb/net/link_table.h"
#include "lb/vip/announcer.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/said_once.h"

namespace vipward {

class ClaimWatch {
 public:
  // All of them outlive it.
  ClaimWatch(Log& log, Announcer& announcer, ConflictWatch& foreign)
      : log_(log), announcer_(announcer), foreign_(foreign) {}

  // `own`: the interfaces of this host, which do not count as others.
  void look(TimePoint now, const LinkTable& own);

 private:
  Log& log_;
  Announcer& announcer_;
  ConflictWatch& foreign_;
  std::uint64_t failed_ = 0;  // when we looked last
  SaidOnce said_;
};

}  // namespace vipward
