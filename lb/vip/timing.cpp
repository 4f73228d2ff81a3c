#include "lb/vip/timing.h"

#include <algorithm>

namespace vipward {

Duration rfc_skew(SkewRule rule, std::uint8_t priority, Duration interval) {
  const Duration unit = rule == SkewRule::Version2 ? Duration(std::chrono::seconds(1)) : interval;
  return unit * (256 - priority) / 256;
}

Duration release_skew(SkewRule rule, std::uint8_t priority, Duration interval) {
  return rule == SkewRule::SinglePeer ? Duration::zero() : rfc_skew(rule, priority, interval);
}

Duration down_interval(SkewRule rule, std::uint8_t priority, Duration interval) {
  const Duration skew = rule == SkewRule::SinglePeer ? std::max<Duration>(interval / 4, kLeastSkew)
                                                     : rfc_skew(rule, priority, interval);
  return 3 * interval + skew;
}

Duration start_down_interval(SkewRule rule, std::uint8_t priority, Duration interval, const IpAddress& own,
                             const std::vector<IpAddress>& peers) {
  const auto higher =
      std::count_if(peers.begin(), peers.end(), [&own](const IpAddress& peer) { return peer > own; });
  return 3 * interval + rfc_skew(rule, priority, interval) + higher * (interval / 4);
}

}  // namespace vipward
