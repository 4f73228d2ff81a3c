// rtnetlink messages as bytes: requests are built, answers and events parsed (rtnetlink(7), netlink(7)).
// Pure; any thread. What does not fit or is not asked for is skipped, never an error: the kernel adds
// attributes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lb/net/link_events.h"

namespace vipward {

// What to do with an address that exists, or does not.
enum class AddressRequest : std::uint8_t {
  Create,  // -EEXIST if it is there
  Ensure,  // made, or its lifetime set
  Renew,   // its lifetime set; -EINVAL if it is not there, which is then not made
  Remove
};  // -EADDRNOTAVAIL if it is not there

// An address of this host alone, as the VIP is: /32 or /128, no route of its own, of protocol 112 (VRRP). An
// IPv6 one comes without duplicate address detection, but the kernel has the worker of that put it in place:
// the request is answered a moment before the address is there and the event is sent. It is never chosen as
// the source of a connection as long as the host has another one (preferred lifetime 0, "deprecated" in `ip
// address`).
//
// IPv6 has an address once per interface, whatever the prefix: where the host's own fd00::1/64 is, Create of
// fd00::1 is -EEXIST, Ensure and Renew give that one a lifetime and take its subnet's route away, Remove
// finds none. An interface that goes down loses its IPv6 addresses. (net/ipv6/addrconf.c)
struct HostAddress {
  unsigned interface = 0;  // its index
  IpAddress address;
  std::chrono::seconds lifetime{0};  // the kernel removes it after that; 0: permanent. Not for Remove
};

constexpr std::uint8_t kAddressProtocolVrrp = 112;

std::vector<std::byte> encode(AddressRequest request, const HostAddress& address, std::uint32_t sequence);
enum class NetlinkDump : std::uint8_t { Links, Addresses };  // of both families
std::vector<std::byte> encode(NetlinkDump dump, std::uint32_t sequence);

// One datagram of the kernel's, which holds any number of messages.
struct NetlinkAnswer {
  std::vector<NetlinkEvent> events;  // in order
  // The end of what was asked with `sequence`: 0 or an errno. Absent: more is to come.
  std::optional<int> result;
  // NLM_F_DUMP_INTR: the dump met a change on its way and has to be repeated.
  bool is_interrupted = false;
};
// Appends to `answer`. Messages of another sequence than `sequence` are skipped; events of a monitor carry
// the sequence of whoever caused them, so that it asks for any.
void decode(std::span<const std::byte> datagram, std::optional<std::uint32_t> sequence,
            NetlinkAnswer& answer);

}  // namespace vipward
