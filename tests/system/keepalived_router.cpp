#include "tests/system/keepalived_router.h"

namespace vipward::test {

std::string KeepalivedRouter::config() const {
  const Speech& speech = seat_.speech;
  const auto centiseconds = speech.interval().count() / 10;
  const std::string fraction = std::to_string(100 + centiseconds % 100).substr(1);
  // One option per line: keepalived reads no other form.
  std::string text =
      "global_defs {\n  router_id " + seat_.host.name() + "\n  vrrp_version " +
      std::to_string(speech.version) +
      "\n  vrrp_garp_master_repeat 5\n  vrrp_garp_master_delay 5\n  vrrp_higher_prio_send_advert true\n}\n"
      "vrrp_instance VI_1 {\n  state BACKUP\n  interface eth0\n  virtual_router_id " +
      std::to_string(speech.vrid) + "\n  priority " + std::to_string(seat_.priority) + "\n  advert_int " +
      std::to_string(centiseconds / 100) + (speech.version == 2 ? "" : "." + fraction) + "\n";
  if (!speech.password.empty()) {
    text += "  authentication {\n    auth_type PASS\n    auth_pass " + speech.password + "\n  }\n";
  }
  if (!speech.is_multicast) {
    text += "  unicast_src_ip " + own_address(seat_.host).to_string() + "\n  unicast_peer {\n";
    for (const Host& one : seat_.all) {
      if (one.name() != seat_.host.name()) text += "    " + own_address(one).to_string() + "\n";
    }
    text += "  }\n";
  }
  if (speech.old_checksum) text += "  old_unicast_checksum\n";
  const std::vector<IpAddress> vips = speech.vips();
  text += "  virtual_ipaddress {\n";
  if (speech.is_over_ipv6()) text += "    " + in_subnet(speech.link_local_vip()) + "\n";
  text += "    " + as_host(vips.front()) + "\n  }\n";
  if (vips.size() > 1) text += "  virtual_ipaddress_excluded {\n    " + as_host(vips.back()) + "\n  }\n";
  return text + "}\n";
}

void KeepalivedRouter::start() {
  process_.reset();
  // Over IPv6 it sends unicast with the interface's default.
  if (seat_.speech.is_over_ipv6() && !seat_.speech.is_multicast) seat_.host.set_hop_limit(255);
  process_.emplace(
      seat_.host.spawn({"keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file",
                        folder_.file("keepalived.conf", config()), "--pid", folder_.file("keepalived.pid"),
                        "--vrrp_pid", folder_.file("vrrp.pid")}));
}

}  // namespace vipward::test
