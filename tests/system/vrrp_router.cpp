#include "tests/system/vrrp_router.h"

#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace vipward::test {
namespace {

// As captured from it; eight bytes fill the field.
constexpr const char* kPassword = "s3cretpw";

IpAddress ip(const std::string& text) {
  return *IpAddress::parse(text);
}

// 00-00-5E-00-02-VRID as an interface's address: what vipward adds over IPv6, and keepalived has to be told.
IpAddress link_local_vip(unsigned vrid) {
  char text[32];
  std::snprintf(text, sizeof text, "fe80::200:5eff:fe00:2%02x", vrid);
  return ip(text);
}

std::string prefixed(const IpAddress& address, bool host_alone) {
  if (host_alone) return address.to_string() + (address.is_v4() ? "/32" : "/128");
  return address.to_string() + (address.is_v4() ? "/24" : "/64");
}

}  // namespace

std::string_view to_string(RouterKind kind) {
  return kind == RouterKind::Vipward ? "vipward" : "keepalived";
}

std::string Speech::to_string() const {
  std::string text = "v" + std::to_string(version);
  if (has_password) text += " PASS";
  text += is_multicast ? ", multicast" : ", unicast";
  switch (addressing) {
    case Addressing::Ipv4:
      return text + ", IPv4";
    case Addressing::Ipv6:
      return text + ", IPv6";
    case Addressing::Dual:
      return text + ", IPv4 + IPv6";
    case Addressing::DualOver6:
      return text + ", IPv6 + IPv4";
  }
  return text;
}

std::vector<IpAddress> Speech::vips() const {
  const IpAddress v4 = ip("10.77.0." + std::to_string(vrid));
  const IpAddress v6 = ip("fd77::" + std::to_string(vrid));
  switch (addressing) {
    case Addressing::Ipv4:
      return {v4};
    case Addressing::Ipv6:
      return {v6};
    case Addressing::Dual:
      return {v4, v6};
    case Addressing::DualOver6:
      return {v6, v4};
  }
  return {};
}

VrrpRouter::VrrpRouter(RouterKind kind, const Host& host, std::vector<Host> all, const Speech& speech,
                       int priority)
    : kind_(kind), host_(host), all_(std::move(all)), speech_(speech), priority_(priority) {}

IpAddress VrrpRouter::own_address(const Host& host) const {
  return speech_.is_over_ipv6() ? host.address_v6() : host.address();
}

std::string VrrpRouter::vipward_config() const {
  ConfigText text;
  text.service = {{"listen", "\"vip:6443\""}};
  text.backends = {{"nobody", host_.address(1).to_string()}};
  text.health_check = {{"protocol", "tcp"}};
  text.top = Daemon::top_keys(folder_);
  std::string vip = "{virtual_router_id: " + std::to_string(speech_.vrid) +
                    ", priority: " + std::to_string(priority_) +
                    ", failback: immediately, startup_delay: 0s, garp_refresh: 5s, version: " +
                    std::to_string(speech_.version) +
                    ", advertise_interval: " + std::to_string(speech_.interval().count()) + "ms";
  if (speech_.has_password) {
    vip += ", v2_password_file: " + folder_.file("password", std::string(kPassword) + "\n");
  }
  vip += ", addresses: [";
  for (const IpAddress& one : speech_.vips()) vip += "\"" + prefixed(one, false) + "\", ";
  vip += "], peers: [";
  if (!speech_.is_multicast) {
    for (const Host& one : all_) vip += "\"" + own_address(one).to_string() + "\", ";
  }
  text.top["vip"] = vip + "]}";
  return text.yaml();
}

std::string VrrpRouter::keepalived_config() const {
  const auto centiseconds = speech_.interval().count() / 10;
  const std::string fraction = std::to_string(100 + centiseconds % 100).substr(1);
  // One option per line: keepalived reads no other form.
  std::string text =
      "global_defs {\n  router_id " + host_.name() + "\n  vrrp_version " + std::to_string(speech_.version) +
      "\n  vrrp_garp_master_repeat 5\n  vrrp_garp_master_delay 5\n}\n"
      "vrrp_instance VI_1 {\n  state BACKUP\n  interface eth0\n  virtual_router_id " +
      std::to_string(speech_.vrid) + "\n  priority " + std::to_string(priority_) + "\n  advert_int " +
      std::to_string(centiseconds / 100) + (speech_.version == 2 ? "" : "." + fraction) + "\n";
  if (speech_.has_password) {
    text += std::string("  authentication {\n    auth_type PASS\n    auth_pass ") + kPassword + "\n  }\n";
  }
  if (!speech_.is_multicast) {
    text += "  unicast_src_ip " + own_address(host_).to_string() + "\n  unicast_peer {\n";
    for (const Host& one : all_) {
      if (one.name() != host_.name()) text += "    " + own_address(one).to_string() + "\n";
    }
    text += "  }\n";
  }
  const std::vector<IpAddress> vips = speech_.vips();
  text += "  virtual_ipaddress {\n";
  if (speech_.is_over_ipv6()) text += "    " + link_local_vip(speech_.vrid).to_string() + "/64\n";
  text += "    " + prefixed(vips.front(), true) + "\n  }\n";
  if (vips.size() > 1)
    text += "  virtual_ipaddress_excluded {\n    " + prefixed(vips.back(), true) + "\n  }\n";
  return text + "}\n";
}

void VrrpRouter::start() {
  process_.reset();
  if (kind_ == RouterKind::Vipward) {
    process_.emplace(
        host_.spawn({Daemon::binary(), "run", "-c", folder_.file("vipward.yaml", vipward_config())}));
    return;
  }
  // Over IPv6 it sends unicast with the interface's default.
  if (speech_.is_over_ipv6() && !speech_.is_multicast) host_.set_hop_limit(255);
  process_.emplace(host_.spawn({"keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp",
                                "--use-file", folder_.file("keepalived.conf", keepalived_config()), "--pid",
                                folder_.file("keepalived.pid"), "--vrrp_pid", folder_.file("vrrp.pid")}));
}

bool VrrpRouter::stop() {
  process_->signal(SIGTERM);
  return process_->wait(Millis{10000}).has_value();
}

std::optional<double> VrrpRouter::metric(std::string_view name, MetricsText::Labels labels) const {
  const HttpResponse response = Daemon::admin_of(host_, "/metrics");
  return response.is_ok() ? MetricsText(response.body).value(name, labels) : std::nullopt;
}

bool VrrpRouter::holds_all() const {
  if (speech_.is_over_ipv6() && !host_.has_address(link_local_vip(speech_.vrid))) return false;
  return std::ranges::all_of(speech_.vips(), [&](const IpAddress& one) { return host_.has_address(one); });
}

bool VrrpRouter::holds_any() const {
  return std::ranges::any_of(speech_.vips(), [&](const IpAddress& one) { return host_.has_address(one); });
}

}  // namespace vipward::test
