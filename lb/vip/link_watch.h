// What the host's interfaces and addresses are now: the kernel's events applied to a LinkTable, and a full
// dump where events were lost. Owner: the driver of the VIP; the guardian's loop. No callbacks and no timer:
// watch fd() for reading, call drain() then and before every decision.
#pragma once

#include <optional>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/link_table.h"
#include "lb/net/netlink_socket.h"

namespace vipward {

class LinkWatch {
 public:
  // Start-up: throws std::system_error.
  explicit LinkWatch(NetlinkMonitor::Options options = {});
  LinkWatch(const LinkWatch&) = delete;
  LinkWatch& operator=(const LinkWatch&) = delete;

  // The same for life. After an overrun it says POLLERR: drain(), then watch it again (lb/event/poll.h).
  int fd() const { return monitor_.fd(); }
  // Reads what waits. True: the table has changed.
  bool drain(TimePoint now);
  // When drain() wants to be called although nothing waits: a dump has failed and is tried again.
  std::optional<TimePoint> next_deadline() const { return next_dump_; }

  const LinkTable& table() const { return table_; }
  // Requests to the same kernel. Their own events wait in fd() when they return, but for those
  // of new IPv6 addresses, which come a moment later (HostAddress).
  NetlinkRequests& requests() { return requests_; }
  // How often events were lost, so far.
  std::uint64_t overruns() const { return overruns_; }

 private:
  bool dump(TimePoint now);

  NetlinkMonitor monitor_;  // before the first dump, so that nothing falls in between
  NetlinkRequests requests_;
  LinkTable table_;
  std::vector<NetlinkEvent> events_;  // of one drain; kept for its memory
  std::optional<TimePoint> next_dump_;
  std::uint64_t overruns_ = 0;
};

}  // namespace vipward
