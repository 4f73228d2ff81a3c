#include "tests/system/vipward_edge.h"

#include <algorithm>

namespace vipward::test {

std::string VipwardEdge::config() const {
  ConfigText text;
  text.service = {{"listen", "[\"" + SocketAddress(settings_.vip, settings_.port).to_string() + "\"]"},
                  {"access_log", "false"}};
  for (const auto& [key, value] : service_keys_) text.service[key] = value;
  for (std::size_t i = 0; i < settings_.backends.size(); ++i) {
    text.backends["master-" + std::to_string(i + 1)] = settings_.backends[i].to_string();
  }
  text.health_check = {{"protocol", "tcp"}, {"interval", "250ms"}, {"fast_interval", "100ms"}};
  text.top = Daemon::top_keys(folder_);

  // Byte-identical on both hosts, as the README shows it.
  std::string peers;
  if (settings_.peer) {
    const IpAddress own = own_address();
    const auto [first, second] = std::minmax(own, *settings_.peer);
    peers = "\"" + first.to_string() + "\", \"" + second.to_string() + "\"";
  }
  std::map<std::string, std::string> keys{
      {"addresses", "[\"" + settings_.vip.to_string() + (settings_.vip.is_v4() ? "/24" : "/64") + "\"]"},
      {"peers", "[" + peers + "]"},
      {"virtual_router_id", std::to_string(settings_.virtual_router_id)},
      {"priority", std::to_string(settings_.priority)},
      {"advertise_interval", std::to_string(settings_.interval.count()) + "ms"},
      {"failback", settings_.takes_back ? "immediately" : "never"},
      {"startup_delay", "0s"}};
  for (const auto& [key, value] : vip_keys_) keys[key] = value;
  std::string vip = "{";
  for (const auto& [key, value] : keys) vip += (vip.size() > 1 ? ", " : "") + key + ": " + value;
  text.top["vip"] = vip + "}";
  return text.yaml();
}

void VipwardEdge::start() {
  daemon_.reset();
  daemon_.emplace(host_, folder_, config());
}

bool VipwardEdge::is_ready() {
  const HttpResponse response = daemon_->admin("/metrics");
  if (!response.is_ok()) return false;
  const MetricsText metrics(response.body);
  const auto is = [&](const char* state) {
    return metrics.value("vipward_vip_state", {{"state", state}}).value_or(0) == 1;
  };
  const auto ready = metrics.value("vipward_backend_state", {{"state", "ready"}}).value_or(0);
  return (is("active") || is("backup")) && ready == static_cast<double>(settings_.backends.size());
}

bool VipwardEdge::release() {
  daemon_->command({"release"});
  return true;
}

std::vector<pid_t> VipwardEdge::keeper_pids() const {
  return {daemon_->pid()};
}

std::vector<pid_t> VipwardEdge::proxy_pids() const {
  return children_of(daemon_->pid());
}

std::string VipwardEdge::log() const {
  return daemon_ ? daemon_->log() : "";
}

std::optional<double> VipwardEdge::conflicts() const {
  const HttpResponse response = daemon_->admin("/metrics");
  if (!response.is_ok()) return std::nullopt;
  return MetricsText(response.body).value("vipward_vip_conflicts_total");
}

VipwardEdge& as_vipward(EdgeHost& host) {
  return dynamic_cast<VipwardEdge&>(host);
}

}  // namespace vipward::test
