#include "lb/vip/claim_watch.h"

#include <array>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

namespace vipward {
namespace {

std::string mac_text(const MacAddress& mac) {
  std::array<char, 18> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text.data();
}

}  // namespace

void ClaimWatch::answer(TimePoint now, const MacAddress& mac) {
  if (mac != router_mac_) return announcer_.restart(now);
  const auto before = std::exchange(router_claimed_at_, now);
  if (before && now - *before < kCalm) {
    if (!answer_at_) announcer_.restart(now);  // it had its time
  } else {
    answer_at_ = now + kPatience;
  }
}

void ClaimWatch::look(TimePoint now, const LinkTable& own) {
  if (!announcer_.is_running()) {
    answer_at_.reset();
    router_claimed_at_.reset();
  }
  for (const ForeignClaim& claim : announcer_.drain(own)) {
    if (!announcer_.is_running()) continue;  // on a backup that is how the active one looks
    const std::string who = claim.address.to_string() + " is claimed by " + mac_text(claim.mac) + " as well";
    if (foreign_.observe(now, who)) {
      log_.error("another holder of the address shows itself", {{"conflict", who}});
    }
    answer(now, claim.mac);
  }
  if (answer_at_ && now >= *answer_at_) {
    answer_at_.reset();
    announcer_.restart(now);
  }
  if (announcer_.failed() != failed_ && said_.may_say("announcement", now)) {
    log_.warn("announcement not sent", {{"error", std::generic_category().message(announcer_.last_error())}});
  }
  failed_ = announcer_.failed();
}

}  // namespace vipward
