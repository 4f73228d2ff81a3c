// Plays systemd to a service of Type=notify (sd_notify(3)): the socket that its states are sent to. Any one
// thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/fd.h"

namespace vipward::test {

class NotifySocket {
 public:
  // A path that does not exist yet, or "@NAME" for an abstract one. Throws std::system_error.
  explicit NotifySocket(std::string name);

  // For the service: "NOTIFY_SOCKET=...".
  std::string environment() const { return "NOTIFY_SOCKET=" + name_; }
  // The next datagram as it is; nothing if none is there.
  std::optional<std::string> next() const;
  // Of the lines in all datagrams that wait_for() has read: "READY=1".
  bool has_heard(std::string_view line) const;
  // Reads until there is such a line, false after `limit`.
  bool wait_for(std::string_view line, std::chrono::milliseconds limit);
  void forget() { heard_.clear(); }

 private:
  void read();

  std::string name_;
  Fd socket_;
  std::vector<std::string> heard_;
};

}  // namespace vipward::test
