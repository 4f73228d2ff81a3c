// Clients that all come in one instant, as after a reset, and the slow TLS backends that they come to: in a
// process of their own, as 8,000 sessions take 16,000 descriptors there and as many in the proxy. Test's main
// thread; make it before any proxy (PeerProcess).
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "tests/component/proxy/peer_process.h"

namespace vipward::test {

class Burst {
 public:
  // One backend for each delay, with which it answers a client's hello. It answers no check but by accepting.
  explicit Burst(const std::vector<std::chrono::milliseconds>& delays);

  const std::vector<SocketAddress>& backends() const { return backends_; }

  struct Outcome {
    std::uint64_t served = 0;
    std::uint64_t reset = 0;  // or ended, before an answer
    std::chrono::milliseconds longest{};
    std::vector<std::uint64_t> answered_by;  // by backend
  };
  // All at once; returns when each has its answer or its end, or when a minute is over. Their connections
  // stay.
  Outcome run(const SocketAddress& proxy, std::uint64_t clients);

 private:
  PeerProcess process_;
  std::vector<SocketAddress> backends_;
};

}  // namespace vipward::test
