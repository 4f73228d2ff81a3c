#include "lb/vip/contention.h"

#include <algorithm>
#include <utility>

#include "config/vip_family.h"
#include "lb/vip/diagnosis.h"

namespace vipward {
namespace {

// Of a holder of another interval: keepalived's default, and as long again.
constexpr std::chrono::seconds kLeastPatience{2};

}  // namespace

// What was wrong with a packet stays the likely cause for as long as the address is claimed, or until its
// sender is understood: keepalived 2.2.7 puts its next advertisement off with each of ours that it refuses.
const std::string& Contention::cause() const {
  const auto& last = reader_.last_explained();
  const bool is_of_this =
      foreign_.is_under_way() && last && last->at >= foreign_.since() - config_.advertise_interval;
  return reader_.explanation().empty() && is_of_this ? last->text : reader_.explanation();
}

bool Contention::is_deaf(TimePoint now) const {
  const bool is_heard = instance_.is_contested() || reader_.arrived_at() >= foreign_.since();
  const TimePoint since = std::max(listening_since_, foreign_.since());
  return instance_.state() == VipState::Active && foreign_.is_under_way() && !is_heard && cause().empty() &&
         now - since > std::max<Duration>(kLeastPatience, 4 * config_.advertise_interval);
}

std::string Contention::conclusion(TimePoint now) const {
  if (is_deaf(now)) return foreign_.last() + explain_silence(family_of(config_), is_multicast(config_));
  return instance_.is_unheard() ? rival() : "";
}

std::string Contention::rival() const {
  if (!instance_.is_contested()) return "";
  return explain_contested(instance_.last_heard()->source, instance_.is_unheard());
}

std::string Contention::warning(TimePoint now) const {
  if (is_deaf(now)) return conclusion(now);
  const std::string& explanation = cause();
  const std::string behind = explanation.empty() ? "" : "; " + explanation;
  // Both are said: the claim tells where, the advertisements why.
  std::string text = foreign_.is_under_way() ? foreign_.last() : "";
  if (instance_.is_contested()) {
    if (!text.empty()) text += "; ";
    text += rival();
  }
  return text.empty() ? explanation : text + behind;
}

bool Contention::has_changed(TimePoint now) {
  const bool under_way = is_under_way();
  const bool deaf = is_deaf(now);
  std::string now_rival = rival();
  const bool is_other =
      under_way != was_under_way_ || deaf != was_deaf_ || explained_ != cause() || rival_ != now_rival;
  was_under_way_ = under_way;
  was_deaf_ = deaf;
  explained_ = cause();
  rival_ = std::move(now_rival);
  return is_other;
}

}  // namespace vipward
