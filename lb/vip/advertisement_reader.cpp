#include "lb/vip/advertisement_reader.h"

#include <algorithm>
#include <string>
#include <utility>

namespace vipward {

AdvertisementReader::AdvertisementReader(Log& log, ConflictWatch& foreign, Settings settings)
    : log_(log), foreign_(foreign), settings_(std::move(settings)) {
  std::ranges::sort(settings_.addresses);
}

std::optional<HeardAdvertisement> AdvertisementReader::read(
    TimePoint now, const std::variant<VrrpDatagram, VrrpRejectReason>& received,
    const std::optional<IpAddress>& own) {
  if (const auto* reason = std::get_if<VrrpRejectReason>(&received)) {
    reject(now, *reason, "unknown");
    return std::nullopt;
  }
  const auto& whole = std::get<VrrpDatagram>(received);
  if (whole.source == own) return std::nullopt;
  const auto decoded = decode(whole, settings_.dialect);
  const auto* reason = std::get_if<VrrpRejectReason>(&decoded);
  if (reason != nullptr || !is_peer(whole.source)) {
    reject(now, reason != nullptr ? *reason : VrrpRejectReason::UnknownPeer, whole.source.to_string());
    return std::nullopt;
  }
  const Advertisement& advertisement = std::get<DecodedAdvertisement>(decoded).advertisement;
  ++received_;
  compare_addresses(now, advertisement, whole.source);
  return HeardAdvertisement{
      .priority = advertisement.priority, .interval = advertisement.interval, .source = whole.source};
}

bool AdvertisementReader::is_peer(const IpAddress& source) const {
  return !settings_.peers || std::ranges::find(*settings_.peers, source) != settings_.peers->end();
}

void AdvertisementReader::reject(TimePoint now, VrrpRejectReason reason, const std::string& source) {
  ++rejected_[static_cast<std::size_t>(reason)];
  // Other virtual routers on the segment are nobody's business.
  if (reason == VrrpRejectReason::Vrid) return;
  if (reason == VrrpRejectReason::UnknownPeer) {
    const std::string who = "VRRP advertisement of " + source + ", which is not in vip.peers";
    if (foreign_.observe(now, who)) {
      log_.error("another holder of the address shows itself", {{"conflict", who}});
    }
  } else if (said_.may_say(std::string(to_string(reason)) + source, now)) {
    log_.warn("VRRP packet refused", {{"source", source}, {"reason", to_string(reason)}});
  }
}

// Never a reason to drop it: two hosts that both hold the address because their lists differ are worse.
void AdvertisementReader::compare_addresses(TimePoint now, const Advertisement& advertisement,
                                            const IpAddress& source) {
  auto theirs = advertisement.addresses;
  std::ranges::sort(theirs);
  if (theirs == settings_.addresses || !said_.may_say("addresses " + source.to_string(), now)) return;
  std::string list;
  for (const IpAddress& address : theirs) list += (list.empty() ? "" : ",") + address.to_string();
  log_.warn("the peer advertises other addresses than ours",
            {{"peer", source.to_string()}, {"addresses", list}});
}

}  // namespace vipward
