// How long to wait for a silent active one (RFC 9568 6.1), and how ties at start are broken. Pure arithmetic
// in nanoseconds: whole centiseconds would round the skew away (priority 250 at 100 ms).
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "lb/event/time.h"
#include "lb/net/address.h"

namespace vipward {

// Where the skew comes from.
enum class SkewRule : std::uint8_t {
  // Exactly one unicast peer: there is no other backup to race with. A quarter of the interval, so that the
  // timer does not race the third advertisement after two lost ones; none once the peer has let go.
  SinglePeer,
  Rfc,  // 9568
  // RFC 3768 6.1: in seconds, whatever the interval.
  Version2,
};
inline constexpr std::chrono::milliseconds kLeastSkew{5};

// The RFCs': (256 - priority) / 256 of the interval, or of a second.
Duration rfc_skew(SkewRule rule, std::uint8_t priority, Duration interval);
// How long to wait once the active one has let go.
Duration release_skew(SkewRule rule, std::uint8_t priority, Duration interval);
// Silence of this length means that the active one is gone: three intervals and the skew.
Duration down_interval(SkewRule rule, std::uint8_t priority, Duration interval);
// The first one after start: the RFC's, and a quarter of the interval for each peer with a higher address, so
// that hosts with one priority that start together do not claim together.
Duration start_down_interval(SkewRule rule, std::uint8_t priority, Duration interval, const IpAddress& own,
                             const std::vector<IpAddress>& peers);

}  // namespace vipward
