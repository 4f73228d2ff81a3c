#include "lb/vip/advertisement_sender.h"

#include <string>
#include <system_error>
#include <utility>

namespace vipward {

AdvertisementSender::AdvertisementSender(Log& log, VrrpSocket& socket, const VipConfig& config,
                                         std::vector<IpAddress> peers)
    : log_(log),
      socket_(socket),
      advertisement_{
          .vrid = config.virtual_router_id, .priority = 0, .interval = Duration{}, .addresses = {}},
      form_(config.checksum == VrrpChecksum::Rfc9568 ? ChecksumForm::Rfc9568 : ChecksumForm::PseudoHeader),
      peers_(std::move(peers)) {
  for (const Cidr& cidr : config.addresses) advertisement_.addresses.push_back(cidr.address);
}

void AdvertisementSender::send(TimePoint now, const IpAddress& own, std::uint8_t priority,
                               Duration interval) {
  advertisement_.priority = priority;
  advertisement_.interval = interval;
  for (const IpAddress& peer : peers_) {
    const int error = socket_.send(own, peer, encode(advertisement_, own, peer, form_));
    if (error == 0) ++sent_;
    if (error != 0 && said_.may_say(std::to_string(error), now)) {
      log_.warn("advertisement not sent",
                {{"peer", peer.to_string()}, {"error", std::generic_category().message(error)}});
    }
  }
}

}  // namespace vipward
