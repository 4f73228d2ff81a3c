// Messages of a handover as packets and back. Pure, as lb/channel/codec.h, and as careful: the other side may
// be broken. A packet is refused unless it is exactly a message of this version.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "lb/channel/codec.h"
#include "lb/handover/messages.h"

namespace vipward::handover {

using channel::Packet;

// `descriptors` of the packet are borrowed from the message. A message that breaks the limits aborts.
Packet encode(const ToSuccessor& message);
Packet encode(const ToPredecessor& message);

std::optional<ToSuccessor> decode_to_successor(std::span<const std::uint8_t> bytes,
                                               std::vector<Fd> descriptors);
std::optional<ToPredecessor> decode_to_predecessor(std::span<const std::uint8_t> bytes,
                                                   std::vector<Fd> descriptors);

}  // namespace vipward::handover
