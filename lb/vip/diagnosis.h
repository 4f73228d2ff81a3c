// Why a peer is not understood, in one sentence for people: who, what is wrong, what to configure on which
// side. "here" is the section vip of this host's file, "there" the other host's, which is taken for
// keepalived: a vipward has few ways to be refused. Pure; texts hold nothing of a packet but numbers and
// addresses, never a password, and are short however long the packet.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lb/vip/packet.h"

namespace vipward {

// Whose message it says it is: false also if it is too short to say.
bool has_vrid(const VrrpDatagram& datagram, std::uint8_t vrid);

// `reason`: decode()'s answer. `ours`: the addresses that our advertisements name. A packet of another VRID
// is explained only if it names one of them, whatever else is wrong with it. Nullopt: nothing is known beyond
// the reason, or it is nobody's business.
std::optional<std::string> explain_refusal(const VrrpDatagram& datagram, VrrpRejectReason reason,
                                           const Dialect& dialect, std::span<const IpAddress> ours);
// A configured peer speaks as another virtual router and names no address of ours: it may well be one.
std::string explain_other_vrid(const IpAddress& peer, std::uint8_t theirs, std::uint8_t ours);
// Advertisements that are understood but name others than ours. Both lists sorted, and not the same.
std::string explain_addresses(const IpAddress& peer, const std::vector<IpAddress>& theirs,
                              const std::vector<IpAddress>& ours);
// A packet of our VRID from our own address that we cannot have sent.
std::string explain_own_address(const IpAddress& own, std::uint8_t vrid);
// `peer` is active although we are; `goes_on`: and says so again after our answer.
std::string explain_contested(const IpAddress& peer, bool goes_on);
// Follows what ConflictWatch says of a holder that is seen by its claims while nothing of VRRP is heard.
std::string explain_silence(int family, bool by_multicast);

}  // namespace vipward
