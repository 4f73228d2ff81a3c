#include "lb/vip/vip_settings.h"

#include "config/vip_family.h"

namespace vipward {

namespace {

// One peer alone cannot race with another backup; of several, or of those that nobody has counted, each waits
// by its priority, as they expect of each other.
SkewRule skew_of(const VipConfig& config, const OwnLinks& links) {
  if (!is_multicast(config) && links.others().size() <= 1) return SkewRule::SinglePeer;
  return config.version == 2 ? SkewRule::Version2 : SkewRule::Rfc;
}

}  // namespace

Dialect dialect_of(const VipConfig& config, const std::optional<VrrpPassword>& password) {
  Dialect dialect;
  dialect.vrid = config.virtual_router_id;
  dialect.version = config.version == 2 ? VrrpVersion::V2 : VrrpVersion::V3;
  dialect.checksum =
      config.checksum == VrrpChecksum::Rfc9568 ? ChecksumForm::Rfc9568 : ChecksumForm::PseudoHeader;
  dialect.password = password;
  dialect.interval = config.advertise_interval;
  return dialect;
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
  settings.skew = skew_of(config, links);
  settings.failback = config.failback == FailbackMode::Never         ? Failback::Never
                      : config.failback == FailbackMode::Immediately ? Failback::Immediately
                                                                     : Failback::After;
  settings.failback_delay = config.failback_delay;
  settings.startup_delay = config.startup_delay;
  return settings;
}

}  // namespace vipward
