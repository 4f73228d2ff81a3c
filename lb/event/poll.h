// Readiness of one descriptor that is asked for rarely: listeners, checks, admin connections. Sessions do not
// use it (uv_poll_start is an EPOLL_CTL_DEL and an ADD; see lb/proxy/session_poller.h). Loop thread only. The
// descriptor stays the caller's: destroy the Poll first, then close it. The callback may destroy the Poll.
#pragma once

#include <functional>

#include "lb/event/handle.h"
#include "lb/event/loop.h"

namespace vipward {

class Poll {
 public:
  struct Ready {
    bool readable = false;
    bool writable = false;
    // The kernel said POLLERR; watching has stopped. Ask SO_ERROR for the truth.
    bool failed = false;
  };
  // `fd` must be non-blocking and pollable.
  Poll(Loop& loop, int fd, std::function<void(Ready)> on_ready);
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;

  // Level-triggered; both false: stops.
  struct Interest {
    bool read = false;
    bool write = false;
  };
  void watch(Interest interest);

 private:
  std::shared_ptr<std::function<void(Ready)>> on_ready_;  // owners: the poll and the call under way
  Handle<uv_poll_t> handle_;
};

}  // namespace vipward
