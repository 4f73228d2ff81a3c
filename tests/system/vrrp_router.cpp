#include "tests/system/vrrp_router.h"

#include <signal.h>

#include <algorithm>

#include "tests/system/daemon.h"
#include "tests/system/frr_router.h"
#include "tests/system/keepalived_router.h"
#include "tests/system/vipward_router.h"

namespace vipward::test {

std::string_view to_string(RouterKind kind) {
  switch (kind) {
    case RouterKind::Vipward:
      return "vipward";
    case RouterKind::Keepalived:
      return "keepalived";
    case RouterKind::Frr:
      return "FRR";
  }
  return "";
}

std::unique_ptr<VrrpRouter> VrrpRouter::make(RouterKind kind, RouterSeat seat) {
  switch (kind) {
    case RouterKind::Vipward:
      return std::make_unique<VipwardRouter>(std::move(seat));
    case RouterKind::Keepalived:
      return std::make_unique<KeepalivedRouter>(std::move(seat));
    case RouterKind::Frr:
      return std::make_unique<FrrRouter>(std::move(seat));
  }
  return nullptr;
}

bool VrrpRouter::stop() {
  process_->signal(SIGTERM);
  return process_->wait(Millis{10000}).has_value();
}

bool VrrpRouter::holds_all() const {
  if (has_link_local_vip() && !holds(seat_.speech.link_local_vip())) return false;
  return std::ranges::all_of(seat_.speech.vips(), [&](const IpAddress& one) { return holds(one); });
}

bool VrrpRouter::holds_any() const {
  if (has_link_local_vip() && holds(seat_.speech.link_local_vip())) return true;
  return std::ranges::any_of(seat_.speech.vips(), [&](const IpAddress& one) { return holds(one); });
}

std::string VrrpRouter::mac_of(const IpAddress& /*vip*/) const {
  return seat_.host.mac();
}

std::optional<double> VrrpRouter::metric(std::string_view name, MetricsText::Labels labels) const {
  const HttpResponse response = Daemon::admin_of(seat_.host, "/metrics");
  return response.is_ok() ? MetricsText(response.body).value(name, labels) : std::nullopt;
}

IpAddress VrrpRouter::own_address(const Host& host) const {
  return seat_.speech.is_over_ipv6() ? host.address_v6() : host.address();
}

}  // namespace vipward::test
