// A vipward as it runs in front of a control plane, with its own defaults: it holds a VIP on a host of its
// own (a network namespace; needs root), and checks three backends by https. Ends with all its hosts. Main
// thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "lb/net/address.h"
#include "perf/data_path/exchange.h"
#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace vipward::perf {

class VipHolder {
 public:
  // Returns when it, this build of vipward, holds the VIP and all backends are ready. Throws
  // std::runtime_error if it does not come to that.
  explicit VipHolder(std::string binary);

  SocketAddress address() const;
  // From where clients come.
  const test::Host& client() const { return client_; }
  // Of guardian and proxy, so far.
  std::chrono::nanoseconds cpu_time() const;
  // Throws unless all is still as the constructor left it, with so many sessions.
  void require_healthy(std::size_t sessions) const;

 private:
  void add_backend(const test::Host& host);
  std::string config() const;
  bool is_healthy() const;
  std::string log() const;

  std::string binary_;
  test::TempDir folder_;
  test::Network net_;
  test::Host holder_;
  test::Host client_;
  std::vector<std::unique_ptr<ExchangeBackend>> backends_;
  std::vector<test::Process> checked_;  // what answers the checks, on the same hosts
  std::unique_ptr<test::Process> vipward_;
};

}  // namespace vipward::perf
