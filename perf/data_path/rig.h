// All contenders at once in front of the same two backends, so that a round takes them in turn: what is not
// measured has nothing to do meanwhile. Main thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "perf/contenders/contender.h"
#include "perf/data_path/exchange.h"

namespace vipward::perf {

// No relay at all: the clients speak to a backend.
inline constexpr const char* kDirect = "direct";
// Another build of vipward.
inline constexpr const char* kBefore = "before";
// Those that vipward is compared with.
inline const std::vector<std::string> kPeers{"haproxy", "haproxy-splice", "nginx", kBefore};
// In the order in which tables name them; kBefore follows where there is one.
inline const std::vector<std::string> kAll{kDirect, "floor", "vipward", "haproxy", "haproxy-splice", "nginx"};

class Rig {
 public:
  // `before`: the binary of kBefore, if it is one of them. Throws if one of them does not serve.
  Rig(const std::vector<std::string>& contenders, std::string before);

  const SocketAddress& target(const std::string& contender) const;
  // That it has had so far; zero of kDirect.
  std::chrono::nanoseconds cpu_time(const std::string& contender) const;
  // Until the backends have no connection, which is when no contender has a session. Throws if that does not
  // come about.
  void wait_until_quiet() const;
  // Of vipward or kBefore.
  std::string binary(const std::string& contender) const;
  // One more of it.
  std::unique_ptr<Contender> fresh(const std::string& contender, unsigned workers = 1) const;

 private:
  std::string before_;
  ExchangeBackend first_;
  ExchangeBackend second_;
  std::map<std::string, std::unique_ptr<Contender>> contenders_;
};

}  // namespace vipward::perf
