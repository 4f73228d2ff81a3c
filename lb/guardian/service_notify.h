// What systemd is told (sd_notify(3)): one datagram each to the socket named by NOTIFY_SOCKET; nothing
// without it. Written out here, as that manual's own example is, because libsystemd would bring its
// compression libraries into a process whose memory is locked. Main thread, never blocks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lb/event/time.h"
#include "lb/net/fd.h"

namespace vipward {

class ServiceNotify {
 public:
  // Reads NOTIFY_SOCKET and WATCHDOG_USEC of the environment.
  ServiceNotify();

  // "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1"; lines may be joined by '\n'.
  void send(std::string_view state) const;
  // How often "WATCHDOG=1" is due: half of what systemd waits. Absent: it does not watch us.
  std::optional<Duration> watchdog_every() const { return watchdog_every_; }

 private:
  std::string path_;
  Fd socket_;
  std::optional<Duration> watchdog_every_;
};

}  // namespace vipward
