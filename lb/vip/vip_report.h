// What is to be said of a virtual router: state, since when, why, and what was counted. Plain values; whoever
// shows it takes a copy. Counters survive generations of the proxy, which is why they live here.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lb/net/address.h"
#include "lb/vip/announce_plan.h"
#include "lb/vip/instance.h"
#include "lb/vip/packet.h"

namespace vipward {

using WallTime = std::chrono::system_clock::time_point;

struct VipCounters {
  std::array<std::uint64_t, kVipStates.size()> transitions{};  // by the state entered
  std::uint64_t advertisements_sent = 0;
  std::uint64_t advertisements_received = 0;
  std::array<std::uint64_t, kVrrpRejectReasons.size()> rejected{};
  std::array<std::uint64_t, kAnnouncementKinds.size()> announcements{};  // frames
  std::uint64_t restored = 0;   // addresses that somebody had removed
  std::uint64_t conflicts = 0;  // other holders heard: foreign claims and foreign active ones

  void add(const VipCounters& other) {
    const auto add_all = [](auto& to, const auto& from) {
      for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    };
    add_all(transitions, other.transitions);
    add_all(rejected, other.rejected);
    add_all(announcements, other.announcements);
    advertisements_sent += other.advertisements_sent;
    advertisements_received += other.advertisements_received;
    restored += other.restored;
    conflicts += other.conflicts;
  }
};

struct VipReport {
  std::uint8_t virtual_router_id = 0;
  std::uint8_t priority = 0;  // as advertised
  VipState state = VipState::Init;
  std::vector<Cidr> addresses;  // as configured, and the link-local one of IPv6
  std::string interface;
  std::optional<WallTime> since;  // of the state
  std::string reason;             // of the state
  std::optional<IpAddress> peer;  // heard last
  std::optional<WallTime> peer_heard_at;
  bool contested = false;  // another holder shows itself now
  std::string warning;     // empty, or one sentence
  VipCounters counters;
};

}  // namespace vipward
