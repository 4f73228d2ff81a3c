// One router of a VRRP instance on a host, in every way of speaking that vipward shares with the others: no
// backends, no HAProxy, the VIP alone. One interface over all programs that can be one, so that a test takes
// any two. Also of threads beside the test's main one, each of which keeps its routers to itself.
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
#include "tests/system/metrics_text.h"
#include "tests/system/vrrp_speech.h"

namespace vipward::test {

enum class RouterKind : std::uint8_t { Vipward, Keepalived, Frr };
std::string_view to_string(RouterKind kind);

// What a router is told.
struct RouterSeat {
  Host host;
  std::vector<Host> all;  // of the instance, `host` among them
  Speech speech{};
  int priority = 100;  // the higher one takes the address back
};

class VrrpRouter {
 public:
  static std::unique_ptr<VrrpRouter> make(RouterKind kind, RouterSeat seat);
  virtual ~VrrpRouter() = default;
  VrrpRouter(const VrrpRouter&) = delete;
  VrrpRouter& operator=(const VrrpRouter&) = delete;

  // Also after its end.
  virtual void start() = 0;
  // SIGTERM; false if that took longer than 10 s.
  virtual bool stop();
  // SIGKILL of all of its processes at once: its addresses stay for as long as the kernel keeps them.
  virtual void kill() { process_->kill(); }
  const Host& host() const { return seat_.host; }
  // Every VIP, the link-local one of those that have it too.
  bool holds_all() const;
  bool holds_any() const;
  // Where a neighbour finds `vip` while this router holds it.
  virtual std::string mac_of(const IpAddress& vip) const;
  // When it hears a router of lower priority that was active as well, as after a cut, it says again where the
  // addresses are.
  virtual bool announces_after_contest() const { return true; }
  // When it gives way to one of higher priority it lets that hear of it.
  virtual bool tells_winner() const { return true; }
  virtual std::string log() const { return process_ ? process_->output_tail() : ""; }
  // Of its whole log since the last start(): see Process.
  std::size_t count_log_lines(const std::string& pattern) const { return process_->count_lines(pattern); }
  // Of vipward: see MetricsText. Nothing while it does not answer.
  std::optional<double> metric(std::string_view name, MetricsText::Labels labels = {}) const;

 protected:
  explicit VrrpRouter(RouterSeat seat) : seat_(std::move(seat)) {}

  // `vip` is one of the VIPs, or the link-local one.
  virtual bool holds(const IpAddress& vip) const { return seat_.host.has_address(vip); }
  // It has the link-local address over IPv6.
  virtual bool has_link_local_vip() const { return seat_.speech.is_over_ipv6(); }
  // Of `host`, in the family that is spoken.
  IpAddress own_address(const Host& host) const;

  RouterSeat seat_;
  TempDir folder_;
  std::optional<Process> process_;  // that speaks VRRP
};

}  // namespace vipward::test
