#include "config/listen_addresses.h"

namespace vipward {

std::vector<SocketAddress> listen_addresses(const ListenConfig& listen, const std::optional<VipConfig>& vip) {
  if (listen.address) return {*listen.address};
  std::vector<SocketAddress> result;
  if (!vip) return result;
  // A link-local one is the routers' among themselves: no client can be told to connect there.
  for (const Cidr& vip_address : vip->addresses) {
    if (!vip_address.address.is_link_local()) result.emplace_back(vip_address.address, listen.port);
  }
  return result;
}

std::vector<SocketAddress> listen_addresses(const ServiceConfig& service,
                                            const std::optional<VipConfig>& vip) {
  std::vector<SocketAddress> result;
  for (const ListenConfig& listen : service.listen) {
    const auto addresses = listen_addresses(listen, vip);
    result.insert(result.end(), addresses.begin(), addresses.end());
  }
  return result;
}

}  // namespace vipward
