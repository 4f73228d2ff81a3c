// One of the two hosts in front of the masters: a load balancer and what keeps the VIP. One interface over
// vipward and over HAProxy + keepalived, so that a test or a measurement takes either, or one of each. Test's
// main thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/net/address.h"
#include "tests/support/network.h"
#include "tests/support/process.h"

namespace vipward::test {

// How the two hosts speak VRRPv3.
enum class Transport : std::uint8_t {
  Unicast,
  Multicast,
  UnicastIpv6  // and the VIP is an IPv6 address
};

inline constexpr std::array kTransports{Transport::Unicast, Transport::Multicast, Transport::UnicastIpv6};
std::string_view to_string(Transport transport);

struct EdgeSettings {
  std::vector<SocketAddress> backends{};
  IpAddress vip{};
  std::uint16_t port = 6443;
  // The other host's address, of the VIP's family; absent: multicast.
  std::optional<IpAddress> peer{};
  std::uint8_t virtual_router_id = 100;
  std::uint8_t priority = 100;
  std::chrono::milliseconds interval{100};
  bool takes_back = false;  // failback: immediately, else never; keepalived's preempt and nopreempt
};

class EdgeHost {
 public:
  EdgeHost(const Host& host, EdgeSettings settings) : host_(host), settings_(std::move(settings)) {}
  virtual ~EdgeHost() = default;
  EdgeHost(const EdgeHost&) = delete;
  EdgeHost& operator=(const EdgeHost&) = delete;

  // Does not wait. Also after its end.
  virtual void start() = 0;
  // It serves, and its VRRP is active or backup.
  virtual bool is_ready() = 0;
  // The command that gives the VIP up; false: there is none.
  virtual bool release() = 0;
  // What keeps the VIP: the guardian; keepalived, parent first.
  virtual std::vector<pid_t> keeper_pids() const = 0;
  // What relays: vipward's proxy; HAProxy.
  virtual std::vector<pid_t> proxy_pids() const = 0;
  // Whatever else of it runs and would start one of these again.
  virtual std::vector<pid_t> other_pids() const { return {}; }
  // Of all its processes, for the message of a failed test.
  virtual std::string log() const = 0;
  // How often somebody else's claim to the VIP was noticed; nothing: it does not look.
  virtual std::optional<double> conflicts() const { return std::nullopt; }

  Host& host() { return host_; }
  const EdgeSettings& settings() const { return settings_; }
  EdgeSettings& settings() { return settings_; }  // for the next start()
  bool holds_vip() const { return host_.has_address(settings_.vip); }
  void signal_keeper(int number) const { signal_all(keeper_pids(), number); }
  void signal_proxy(int number) const { signal_all(proxy_pids(), number); }
  // All of it at once, as when a host freezes or a kernel kills.
  void signal_everything(int number) const;

 protected:
  // Of the VIP's family.
  IpAddress own_address() const { return settings_.vip.is_v4() ? host_.address() : host_.address_v6(); }
  static void signal_all(const std::vector<pid_t>& pids, int number);

  Host host_;
  EdgeSettings settings_;
};

enum class Contender : std::uint8_t { Vipward, Keepalived };
std::string_view to_string(Contender contender);
std::unique_ptr<EdgeHost> make_edge(Contender contender, const Host& host, EdgeSettings settings);

}  // namespace vipward::test
