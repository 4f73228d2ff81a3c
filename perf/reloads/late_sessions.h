// Sessions that begin after a reload and stay, as watches do: whoever leaves sessions with the old process
// has one for each reload. One thread.
#pragma once

#include <vector>

#include "lb/net/address.h"
#include "lb/net/fd.h"

namespace vipward::perf {

class LateSessions {
 public:
  explicit LateSessions(const SocketAddress& target) : target_(target) {}

  // Each has had an exchange; throws if one is not served within 5 s.
  void open(unsigned count);
  std::size_t size() const { return sockets_.size(); }
  // How many have no other exchange.
  std::size_t count_lost() const;

 private:
  SocketAddress target_;
  std::vector<Fd> sockets_;
};

}  // namespace vipward::perf
