// Clients that take nothing while their backend sends as fast as it can: the proxy holds bytes for each of
// them. Test's main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"
#include "tests/support/traffic.h"

namespace vipward::test {

class UnreadClients {
 public:
  // In front of a TrafficBackend; each has been sent something when this returns, or it throws.
  UnreadClients(const SocketAddress& target, unsigned count);

  // What became of them: takes more of each than can be under way, and compares it. One that brings nothing
  // more for `limit` is stuck.
  struct Tally {
    unsigned alive = 0;  // and right
    unsigned reset = 0;
    unsigned closed = 0;
    unsigned corrupt = 0;
    unsigned stuck = 0;
  };
  Tally take(std::chrono::milliseconds limit);

 private:
  struct Session {
    Fd socket;
    TrafficStream in;
  };
  // What it is counted as.
  static unsigned Tally::*take_from(Session& session, std::chrono::milliseconds limit);

  std::vector<Session> sessions_;
};

}  // namespace vipward::test
