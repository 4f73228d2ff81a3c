#include "lb/vip/timing.h"

#include <algorithm>

namespace vipward {

Duration rfc_skew(std::uint8_t priority, Duration interval) {
  return interval * (256 - priority) / 256;
}

Duration down_interval(SkewRule rule, std::uint8_t priority, Duration interval) {
  const Duration skew = rule == SkewRule::SinglePeer ? std::max<Duration>(interval / 4, kLeastSkew)
                                                     : rfc_skew(priority, interval);
  return 3 * interval + skew;
}

Duration start_down_interval(std::uint8_t priority, Duration interval, const IpAddress& own,
                             const std::vector<IpAddress>& peers) {
  const auto higher =
      std::count_if(peers.begin(), peers.end(), [&own](const IpAddress& peer) { return peer > own; });
  return 3 * interval + rfc_skew(priority, interval) + higher * (interval / 4);
}

}  // namespace vipward
