#include "lb/vip/advertisement_sender.h"

#include <string>
#include <system_error>
#include <utility>

namespace vipward {

AdvertisementSender::AdvertisementSender(Log& log, VrrpSocket& socket, Settings settings)
    : log_(log), socket_(socket), settings_(std::move(settings)) {}

void AdvertisementSender::send(TimePoint now, const IpAddress& own, std::uint8_t priority,
                               Duration interval) {
  const Advertisement said{.priority = priority, .interval = interval, .addresses = settings_.addresses};
  for (const IpAddress& to : settings_.destinations) {
    const int error = socket_.send(own, to, encode(said, settings_.dialect, own, to));
    if (error == 0) {
      ++sent_;
      last_sent_ = now;
    } else if (said_.may_say(std::to_string(error), now)) {
      log_.warn("advertisement not sent",
                {{"to", to.to_string()}, {"error", std::generic_category().message(error)}});
    }
  }
}

}  // namespace vipward
