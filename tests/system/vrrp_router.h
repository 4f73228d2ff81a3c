// One router of a VRRP instance on a host, in every way of speaking that vipward and keepalived share: no
// backends, no HAProxy, the VIP alone. Also of threads beside the test's main one, each of which keeps its
// routers to itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/system/daemon.h"

namespace vipward::test {

enum class RouterKind : std::uint8_t { Vipward, Keepalived };
std::string_view to_string(RouterKind kind);

enum class Addressing : std::uint8_t {
  Ipv4,
  Ipv6,
  Dual,      // over IPv4; the IPv6 address rides along
  DualOver6  // over IPv6; the IPv4 address rides along
};

// What all routers of a segment have to agree about.
struct Speech {
  int version = 3;
  bool has_password = false;  // version 2
  bool is_multicast = false;
  Addressing addressing = Addressing::Ipv4;
  unsigned vrid = 100;      // 1 to 254
  Millis v3_interval{100};  // version 3

  std::string to_string() const;  // "v2 PASS, multicast, IPv4"
  bool is_over_ipv6() const { return addressing == Addressing::Ipv6 || addressing == Addressing::DualOver6; }
  // Version 2: a second.
  Millis interval() const { return version == 2 ? Millis{1000} : v3_interval; }
  // That clients use: 10.77.0.VRID and fd77::VRID (in the digits of the first), or one of them.
  std::vector<IpAddress> vips() const;
};

class VrrpRouter {
 public:
  // `all`: the hosts of the instance, `host` among them. The higher priority takes the address back.
  VrrpRouter(RouterKind kind, const Host& host, std::vector<Host> all, const Speech& speech, int priority);

  void start();
  // SIGTERM; false if that took longer than 10 s.
  bool stop();
  // SIGKILL of all of its processes at once: its addresses stay for as long as the kernel keeps them.
  void kill() { process_->kill(); }
  const Host& host() const { return host_; }
  // Every VIP, the link-local one too.
  bool holds_all() const;
  bool holds_any() const;
  std::string log() const { return process_ ? process_->output_tail() : ""; }
  // Of its whole log since the last start(): see Process.
  std::size_t count_log_lines(const std::string& pattern) const { return process_->count_lines(pattern); }
  // Of vipward: see MetricsText. Nothing while it does not answer.
  std::optional<double> metric(std::string_view name, MetricsText::Labels labels = {}) const;

 private:
  std::string vipward_config() const;
  std::string keepalived_config() const;
  IpAddress own_address(const Host& host) const;

  RouterKind kind_;
  Host host_;
  std::vector<Host> all_;
  Speech speech_;
  int priority_;
  TempDir folder_;
  std::optional<Process> process_;
};

}  // namespace vipward::test
