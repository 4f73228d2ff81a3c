// Whether another host holds the address beside us, judged by all that shows it: advertisements, claims by
// ARP or neighbour discovery, packets that cannot be understood; and the sentence about it. Reads what others
// have noted, and remembers only what was said last. Pure. Owner: the VirtualRouter; the guardian's loop.
#pragma once

#include <string>

#include "config/config.h"
#include "lb/event/time.h"
#include "lb/vip/advertisement_reader.h"
#include "lb/vip/conflict_watch.h"
#include "lb/vip/instance.h"

namespace vipward {

class Contention {
 public:
  // All of them outlive it.
  Contention(const VipConfig& config, const Instance& instance, const ConflictWatch& foreign,
             const AdvertisementReader& reader)
      : config_(config), instance_(instance), foreign_(foreign), reader_(reader) {}

  // From now on a holder's silence means something.
  void listen_from(TimePoint now) { listening_since_ = now; }
  bool is_under_way() const { return instance_.is_contested() || foreign_.is_under_way(); }
  // One sentence; empty: there is nothing to be said.
  std::string warning(TimePoint now) const;
  // Of it what nobody has logged who noted what it is judged by; empty: nothing.
  std::string conclusion(TimePoint now) const;
  // Whether any of it is another than when this was asked last.
  bool has_changed(TimePoint now);

 private:
  // The likely one; empty: none is known.
  const std::string& cause() const;
  // Of a router that claims to be active beside this one; empty: there is none.
  std::string rival() const;
  // Another holder shows itself by its claims, and nothing of VRRP has since they began.
  bool is_deaf(TimePoint now) const;

  const VipConfig& config_;
  const Instance& instance_;
  const ConflictWatch& foreign_;
  const AdvertisementReader& reader_;
  TimePoint listening_since_{};
  bool was_under_way_ = false;
  bool was_deaf_ = false;
  std::string explained_;  // the cause
  std::string rival_;
};

}  // namespace vipward
