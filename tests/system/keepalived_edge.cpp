#include "tests/system/keepalived_edge.h"

#include <cstdio>

#include "tests/support/http_client.h"

namespace vipward::test {
namespace {

// Arguments: the configuration, the track_file. 0: fine; anything else, without a weight: a fault.
constexpr const char* kSupervise = R"(
while :; do
  haproxy -db -f "$1" &
  child=$!
  echo 0 >"$2"
  wait "$child"
  echo 1 >"$2"
  sleep 0.1
done
)";

std::string program_of(pid_t pid) {
  try {
    return read_file("/proc/" + std::to_string(pid) + "/comm");
  } catch (const std::exception&) {
    return "";  // gone
  }
}

}  // namespace

std::string KeepalivedEdge::haproxy_config() const {
  std::string text =
      "defaults\n  mode tcp\n  timeout connect 1500ms\n  timeout client 1h\n  timeout server 1h\n"
      "frontend api\n  bind " +
      std::string(settings_.vip.is_v4() ? "*:" : ":::") + std::to_string(settings_.port) +
      (settings_.vip.is_v4() ? "" : " v4v6") +
      "\n  default_backend masters\n"
      "backend masters\n  balance leastconn\n";
  for (std::size_t i = 0; i < settings_.backends.size(); ++i) {
    text += "  server master-" + std::to_string(i + 1) + " " + settings_.backends[i].to_string() +
            " check inter 1s\n";
  }
  return text;
}

std::string KeepalivedEdge::keepalived_config() const {
  char interval[16];
  std::snprintf(interval, sizeof interval, "%.2f", static_cast<double>(settings_.interval.count()) / 1000);
  // One option per line: keepalived reads no other form.
  std::string text = "global_defs {\n  router_id " + host_.name() +
                     "\n  vrrp_version 3\n  vrrp_garp_master_repeat 5\n  vrrp_garp_master_delay 5\n}\n"
                     "track_file haproxy {\n  file \"" +
                     folder_.file("haproxy_down") +
                     "\"\n  weight 0\n}\n"
                     "vrrp_instance VI_1 {\n  state BACKUP\n  interface eth0\n  virtual_router_id " +
                     std::to_string(settings_.virtual_router_id) + "\n  priority " +
                     std::to_string(settings_.priority) + "\n  advert_int " + interval + "\n";
  if (!settings_.takes_back) text += "  nopreempt\n";
  if (settings_.peer) {
    text += "  unicast_src_ip " + own_address().to_string() + "\n  unicast_peer {\n    " +
            settings_.peer->to_string() + "\n  }\n";
  }
  text += "  virtual_ipaddress {\n";
  // RFC 9568 5.2.9: a link-local address first.
  if (!settings_.vip.is_v4()) text += "    fe80::6443/64\n";
  return text + "    " + settings_.vip.to_string() + (settings_.vip.is_v4() ? "/32" : "/128") +
         "\n  }\n  track_file {\n    haproxy\n  }\n}\n";
}

void KeepalivedEdge::start() {
  keepalived_.reset();
  haproxy_.reset();
  // Over IPv6 keepalived sends unicast with the interface's default.
  if (!settings_.vip.is_v4()) host_.set_hop_limit(255);
  // There before keepalived looks, and of this life.
  const std::string track_file = folder_.file("haproxy_down", "1\n");
  haproxy_.emplace(host_.spawn(
      {"bash", "-c", kSupervise, "supervise", folder_.file("haproxy.cfg", haproxy_config()), track_file}));
  keepalived_.emplace(
      host_.spawn({"keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", "--use-file",
                   folder_.file("keepalived.conf", keepalived_config()), "--pid",
                   folder_.file("keepalived.pid"), "--vrrp_pid", folder_.file("vrrp.pid")}));
}

bool KeepalivedEdge::is_ready() {
  if (keepalived_->count_lines("Entering (BACKUP|MASTER) STATE") == 0) return false;
  return host_.call([&] {
    HttpClient client({.address = host_.address(settings_.port), .limit = Millis{500}});
    return client.send_bytes("\n") == ClientError::None &&
           client.read_line(Millis{500}).error == ClientError::None;
  });
}

std::vector<pid_t> KeepalivedEdge::keeper_pids() const {
  std::vector<pid_t> pids = children_of(keepalived_->pid());
  pids.insert(pids.begin(), keepalived_->pid());
  return pids;
}

std::vector<pid_t> KeepalivedEdge::proxy_pids() const {
  std::vector<pid_t> pids = children_of(haproxy_->pid());
  std::erase_if(pids, [](pid_t pid) { return program_of(pid) != "haproxy\n"; });
  return pids;
}

std::vector<pid_t> KeepalivedEdge::other_pids() const {
  return {haproxy_->pid()};
}

std::string KeepalivedEdge::log() const {
  return (keepalived_ ? keepalived_->output_tail() : "") + (haproxy_ ? haproxy_->output_tail() : "");
}

}  // namespace vipward::test
