#include "lb/net/netlink_message.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vipward {
namespace {

// Attributes of a message by their type; those of a type beyond kMost are of no interest.
constexpr std::size_t kMostAttributes = 64;
using Attributes = std::array<std::span<const std::byte>, kMostAttributes>;

template <class T>
std::optional<T> read_as(std::span<const std::byte> bytes) {
  T value;
  if (bytes.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Netlink aligns headers and payloads to 4 bytes.
std::span<const std::byte> after(std::span<const std::byte> bytes, std::size_t length) {
  return bytes.subspan(std::min(bytes.size(), std::size_t{NLMSG_ALIGN(length)}));
}

Attributes parse_attributes(std::span<const std::byte> bytes) {
  Attributes found{};
  while (const auto header = read_as<rtattr>(bytes)) {
    if (header->rta_len < sizeof *header || header->rta_len > bytes.size()) break;
    if (header->rta_type < kMostAttributes) {
      found[header->rta_type] = bytes.subspan(sizeof *header, header->rta_len - sizeof *header);
    }
    bytes = after(bytes, header->rta_len);
  }
  return found;
}

std::optional<NetlinkEvent> parse_link(std::span<const std::byte> payload, bool is_gone) {
  const auto info = read_as<ifinfomsg>(payload);
  // AF_BRIDGE: a port has joined or left its bridge; the interface itself stays.
  if (!info || info->ifi_family != AF_UNSPEC || info->ifi_index <= 0) return std::nullopt;
  const Attributes attributes = parse_attributes(after(payload, sizeof *info));
  const auto name = attributes[IFLA_IFNAME];
  if (name.empty()) return std::nullopt;
  LinkEvent event;
  event.is_gone = is_gone;
  event.link.index = static_cast<unsigned>(info->ifi_index);
  const char* text = reinterpret_cast<const char*>(name.data());
  event.link.name.assign(text, strnlen(text, name.size()));
  event.link.is_up = (info->ifi_flags & IFF_UP) != 0;
  event.link.has_carrier = (info->ifi_flags & (1U << 16U)) != 0;  // IFF_LOWER_UP, which <net/if.h> lacks
  if (const auto mac = attributes[IFLA_ADDRESS]; mac.size() == event.link.mac.size()) {
    std::memcpy(event.link.mac.data(), mac.data(), mac.size());
  }
  return event;
}

std::optional<IpAddress> address_of(int family, std::span<const std::byte> bytes) {
  const auto address =
      IpAddress::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  // An IPv4-mapped one would be taken for the IPv4 address, with a prefix of another length.
  return address && address->family() == family ? address : std::nullopt;
}

std::optional<NetlinkEvent> parse_address(std::span<const std::byte> payload, bool is_gone) {
  const auto info = read_as<ifaddrmsg>(payload);
  if (!info) return std::nullopt;
  const Attributes attributes = parse_attributes(after(payload, sizeof *info));
  // On a point-to-point link IFA_ADDRESS is the other end.
  const auto local = !attributes[IFA_LOCAL].empty() ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
  const auto address = address_of(info->ifa_family, local);
  if (!address || info->ifa_prefixlen > address->bits()) return std::nullopt;
  const std::uint32_t flags = read_as<std::uint32_t>(attributes[IFA_FLAGS]).value_or(info->ifa_flags);
  return AddressEvent{.address = {.interface = info->ifa_index,
                                  .address = *address,
                                  .prefix = info->ifa_prefixlen,
                                  .flags = flags & ~std::uint32_t{IFA_F_MCAUTOJOIN},
                                  .protocol = read_as<std::uint8_t>(attributes[IFA_PROTO]).value_or(0)},
                      .is_gone = is_gone};
}

// The kernel says 0 or a negative errno.
int result_of(std::span<const std::byte> payload) {
  constexpr int kMostErrno = 4095;
  const int code = read_as<int>(payload).value_or(0);
  return code <= 0 && code >= -kMostErrno ? -code : EPROTO;
}

void decode_message(const nlmsghdr& header, std::span<const std::byte> payload, NetlinkAnswer& answer) {
  std::optional<NetlinkEvent> event;
  switch (header.nlmsg_type) {
    case NLMSG_ERROR:
    case NLMSG_DONE:
      answer.result = result_of(payload);
      return;
    case RTM_NEWLINK:
    case RTM_DELLINK:
      event = parse_link(payload, header.nlmsg_type == RTM_DELLINK);
      break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      event = parse_address(payload, header.nlmsg_type == RTM_DELADDR);
      break;
    default:
      return;
  }
  if (event) answer.events.push_back(std::move(*event));
}

// A request while it is put together; its length is right after each step.
class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence) {
    const nlmsghdr header{.nlmsg_len = sizeof(nlmsghdr),
                          .nlmsg_type = type,
                          .nlmsg_flags = flags,
                          .nlmsg_seq = sequence,
                          .nlmsg_pid = 0};
    append(std::as_bytes(std::span(&header, 1)));
  }
  template <class T>
  void add(const T& value) {
    append(std::as_bytes(std::span(&value, 1)));
  }
  template <class T>
  void add_attribute(std::uint16_t type, const T& value) {
    add_attribute(type, std::as_bytes(std::span(&value, 1)));
  }
  void add_attribute(std::uint16_t type, std::span<const std::byte> value) {
    add(rtattr{.rta_len = static_cast<std::uint16_t>(sizeof(rtattr) + value.size()), .rta_type = type});
    append(value);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void append(std::span<const std::byte> more) {
    bytes_.insert(bytes_.end(), more.begin(), more.end());
    bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data(), &length, sizeof length);
  }

  std::vector<std::byte> bytes_;
};

std::uint16_t flags_of(AddressRequest request) {
  constexpr std::uint16_t kAcked = NLM_F_REQUEST | NLM_F_ACK;
  switch (request) {
    case AddressRequest::Create:
      return kAcked | NLM_F_CREATE | NLM_F_EXCL;
    case AddressRequest::Ensure:
      return kAcked | NLM_F_CREATE | NLM_F_REPLACE;
    case AddressRequest::Renew:
      return kAcked | NLM_F_REPLACE;
    case AddressRequest::Remove:
      return kAcked;
  }
  return kAcked;
}

// A replacement repeats what is to stay: IPv6 forgets the flags that it does not name.
std::uint32_t address_flags_of(AddressRequest request, const IpAddress& address) {
  std::uint32_t flags = IFA_F_NOPREFIXROUTE;
  if (!address.is_v4()) flags |= IFA_F_NODAD;
  // The kernel makes an address that is not there without NLM_F_CREATE too (net/ipv4/devinet.c and
  // net/ipv6/addrconf.c: "userspace already relies on not having to provide this"), and a renewal that
  // arrives late would bring back an address that somebody else holds by now. A new one that is to join a
  // multicast group but is none is refused; one that exists joins nothing, IPv6 only notes the flag. So a
  // renewal asks for that.
  if (request == AddressRequest::Renew) flags |= IFA_F_MCAUTOJOIN;
  return flags;
}

ifa_cacheinfo lifetimes_of(const HostAddress& address) {
  const auto seconds = address.lifetime.count();
  const std::uint32_t valid = seconds > 0 ? static_cast<std::uint32_t>(seconds) : ~std::uint32_t{0};
  // RFC 6724 5, rule 3: a deprecated address is no source while there is another. IPv4 chooses the source by
  // the route and by the order on the interface.
  const std::uint32_t preferred = address.address.is_v4() ? valid : 0;
  return {.ifa_prefered = preferred, .ifa_valid = valid, .cstamp = 0, .tstamp = 0};
}

}  // namespace

std::vector<std::byte> encode(AddressRequest request, const HostAddress& address, std::uint32_t sequence) {
  const bool removes = request == AddressRequest::Remove;
  Request message(removes ? RTM_DELADDR : RTM_NEWADDR, flags_of(request), sequence);
  const IpAddress& which = address.address;
  const auto scope = which.is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  message.add(ifaddrmsg{.ifa_family = static_cast<std::uint8_t>(which.family()),
                        .ifa_prefixlen = static_cast<std::uint8_t>(which.bits()),
                        .ifa_flags = 0,
                        .ifa_scope = static_cast<std::uint8_t>(scope),
                        .ifa_index = address.interface});
  const auto ip = std::as_bytes(std::span(which.bytes()).first(which.bits() / 8));
  message.add_attribute(IFA_LOCAL, ip);
  message.add_attribute(IFA_ADDRESS, ip);
  if (removes) return message.take();
  message.add_attribute(IFA_FLAGS, address_flags_of(request, which));
  message.add_attribute(IFA_PROTO, kAddressProtocolVrrp);
  message.add_attribute(IFA_CACHEINFO, lifetimes_of(address));
  return message.take();
}

std::vector<std::byte> encode(NetlinkDump dump, std::uint32_t sequence) {
  const bool links = dump == NetlinkDump::Links;
  Request message(links ? RTM_GETLINK : RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  if (links) {
    message.add(ifinfomsg{});
    // No counters: they are most of what a link has to say.
    message.add_attribute(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});
  } else {
    message.add(ifaddrmsg{});  // AF_UNSPEC: of every family
  }
  return message.take();
}

void decode(std::span<const std::byte> datagram, std::optional<std::uint32_t> sequence,
            NetlinkAnswer& answer) {
  while (const auto header = read_as<nlmsghdr>(datagram)) {
    if (header->nlmsg_len < sizeof *header || header->nlmsg_len > datagram.size()) return;
    if (!sequence || header->nlmsg_seq == *sequence) {
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) answer.is_interrupted = true;
      decode_message(*header, datagram.subspan(sizeof *header, header->nlmsg_len - sizeof *header), answer);
    }
    datagram = after(datagram, header->nlmsg_len);
  }
}

}  // namespace vipward
