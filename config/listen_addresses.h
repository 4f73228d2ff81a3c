// The socket addresses on which a service listens: "vip:6443" is that port on every VIP. Guardian and proxy
// both count in this order. Pure.
#pragma once

#include <optional>
#include <vector>

#include "config/config.h"

namespace vipward {

// Of one entry; none for a port on the VIP if there is no VIP.
std::vector<SocketAddress> listen_addresses(const ListenConfig& listen, const std::optional<VipConfig>& vip);

// Of all entries, in the order of the file. No address is there twice: loading has seen to that.
std::vector<SocketAddress> listen_addresses(const ServiceConfig& service,
                                            const std::optional<VipConfig>& vip);

}  // namespace vipward
