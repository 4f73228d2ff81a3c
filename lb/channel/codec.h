// Messages as packets and back. Pure: it opens and reads nothing; of descriptors it knows the number and the
// order. What is decoded comes from a process that may be hostile: every number is checked, every length
// bounded, and whatever is not exactly a message of this version is refused. A version may get fields at a
// message's end (wire.h, later()): a message without them is one of its beginnings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lb/channel/messages.h"

namespace vipward::channel {

inline constexpr std::size_t kLongestPacket = 64 * 1024;
inline constexpr std::size_t kMostDescriptors = 253;  // SCM_MAX_FD: what one packet can carry (unix(7))
inline constexpr std::size_t kLongestText = 1024;     // of a reason, a warning, a problem
inline constexpr std::size_t kMostProblems = 32;

// `descriptors` are borrowed from the message and valid as long as it is.
struct Packet {
  std::vector<std::uint8_t> bytes;
  std::vector<int> descriptors;
};

// Texts are for people: what is longer than kLongestText (a file's name: 4096) is cut, problems beyond
// kMostProblems are left out, control characters become '?'. Other limits are the caller's: a message that
// breaks them aborts.
Packet encode(const ToProxy& message);
Packet encode(const ToGuardian& message);

// Nullopt for everything that `encode` does not make, also if the number of descriptors is not exactly that
// of the message. Descriptors that do not end up in a message are closed.
std::optional<ToProxy> decode_to_proxy(std::span<const std::uint8_t> bytes, std::vector<Fd> descriptors);
std::optional<ToGuardian> decode_to_guardian(std::span<const std::uint8_t> bytes,
                                             std::vector<Fd> descriptors);

// The kind that a packet says it is, its message's place in the variant, whatever else is in it; of one that
// is too short: std::variant_npos.
std::size_t kind_of(std::span<const std::uint8_t> bytes);

}  // namespace vipward::channel
