// FRR's vrrpd, with the zebra that does its work on interfaces, as a VrrpRouter of one address family; it
// knows multicast alone. The VIP is always there, on a macvlan device with the virtual router's MAC: FRR lets
// that one have a carrier while it is active.
#pragma once

#include "tests/system/vrrp_router.h"

namespace vipward::test {

class FrrRouter : public VrrpRouter {
 public:
  explicit FrrRouter(RouterSeat seat) : VrrpRouter(std::move(seat)) {}

  void start() override;
  bool stop() override;
  void kill() override;
  std::string mac_of(const IpAddress& vip) const override;
  // Once, when it becomes active.
  bool announces_after_contest() const override { return false; }
  bool tells_winner() const override { return false; }
  std::string log() const override;

 protected:
  bool holds(const IpAddress& vip) const override;
  bool has_link_local_vip() const override { return false; }

 private:
  std::string vrrpd_config() const;
  void add_device() const;
  Process spawn(const std::string& program, const std::string& config) const;
  // In its host.
  void run(std::vector<std::string> argv) const;

  std::optional<Process> zebra_;
};

}  // namespace vipward::test
