#include "lb/vip/claim_watch.h"

#include <array>
#include <cstdio>
#include <string>
#include <system_error>

namespace vipward {
namespace {

std::string mac_text(const MacAddress& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

bool is_of_virtual_router(const MacAddress& mac, std::uint8_t vrid) {
  const auto of_family = [&](std::uint8_t family) {
    return mac == MacAddress{0x00, 0x00, 0x5e, 0x00, family, vrid};
  };
  return of_family(1) || of_family(2);
}

}  // namespace

bool ClaimWatch::is_given_time(TimePoint now, const MacAddress& mac) {
  if (!is_of_virtual_router(mac, vrid_)) return false;
  if (!patient_until_) {
    patient_until_ = now + patience_;
    announcer_.restart(now, patience_);
  }
  return now < *patient_until_;
}

void ClaimWatch::look(TimePoint now, const LinkTable& own) {
  if (!announcer_.is_running()) patient_until_.reset();
  for (const ForeignClaim& claim : announcer_.drain(own)) {
    if (!announcer_.is_running()) continue;  // on a backup that is how the active one looks
    if (is_given_time(now, claim.mac)) continue;
    const std::string who = claim.address.to_string() + " is claimed by " + mac_text(claim.mac) + " as well";
    if (foreign_.observe(now, who)) {
      log_.error("another holder of the address shows itself", {{"conflict", who}});
    }
    announcer_.restart(now);
  }
  if (announcer_.failed() != failed_ && said_.may_say("announcement", now)) {
    log_.warn("announcement not sent", {{"error", std::generic_category().message(announcer_.last_error())}});
  }
  failed_ = announcer_.failed();
}

}  // namespace vipward
