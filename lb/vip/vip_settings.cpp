#include "lb/vip/vip_settings.h"

namespace vipward {

std::vector<IpAddress> hosts_of(const std::vector<Cidr>& addresses) {
  std::vector<IpAddress> hosts;
  for (const Cidr& cidr : addresses) hosts.push_back(cidr.address);
  return hosts;
}

// Long enough to live through three intervals without us, and whole seconds, as the kernel counts.
std::chrono::seconds lifetime_of(const VipConfig& config) {
  return config.address_lifetime.value_or(
      std::chrono::ceil<std::chrono::seconds>(3 * config.advertise_interval));
}

InstanceSettings settings_of(const VipConfig& config, const OwnLinks& links, const IpAddress& own) {
  InstanceSettings settings;
  settings.priority = static_cast<std::uint8_t>(config.priority);
  settings.interval = config.advertise_interval;
  settings.own = own;
  settings.peers = links.others();
  settings.skew = SkewRule::SinglePeer;
  settings.failback = config.failback == FailbackMode::Never         ? Failback::Never
                      : config.failback == FailbackMode::Immediately ? Failback::Immediately
                                                                     : Failback::After;
  settings.failback_delay = config.failback_delay;
  settings.startup_delay = config.startup_delay;
  return settings;
}

}  // namespace vipward
