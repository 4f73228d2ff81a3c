#include "lb/vip/advertisement_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "lb/vip/diagnosis.h"

namespace vipward {
namespace {

// How long an explanation is shown after the last packet that it is about, beside three of our intervals.
constexpr Duration kLeastMemory = std::chrono::seconds(3);

}  // namespace

AdvertisementReader::AdvertisementReader(Log& log, ConflictWatch& foreign, Settings settings)
    : log_(log), foreign_(foreign), settings_(std::move(settings)) {
  std::ranges::sort(settings_.addresses);
}

std::optional<HeardAdvertisement> AdvertisementReader::read(
    TimePoint now, const std::variant<VrrpDatagram, VrrpRejectReason>& received, const Own& own) {
  if (const auto* reason = std::get_if<VrrpRejectReason>(&received)) {
    ++rejected_[static_cast<std::size_t>(*reason)];
    if (said_.may_say(std::string(to_string(*reason)), now))
      log_.warn("VRRP packet refused", {{"source", "unknown"}, {"reason", to_string(*reason)}});
    return std::nullopt;
  }
  const auto& whole = std::get<VrrpDatagram>(received);
  if (whole.source == own.source) {
    hear_own_address(now, whole, own);
    return std::nullopt;
  }
  if (has_vrid(whole, settings_.dialect.vrid)) arrived_at_ = now;
  const auto decoded = decode(whole, settings_.dialect);
  const auto* reason = std::get_if<VrrpRejectReason>(&decoded);
  if (reason != nullptr || !is_peer(whole.source)) {
    reject(now, reason != nullptr ? *reason : VrrpRejectReason::UnknownPeer, whole);
    return std::nullopt;
  }
  const Advertisement& advertisement = std::get<DecodedAdvertisement>(decoded).advertisement;
  ++received_;
  compare_addresses(now, advertisement, whole.source);
  return HeardAdvertisement{
      .priority = advertisement.priority, .interval = advertisement.interval, .source = whole.source};
}

void AdvertisementReader::expire(TimePoint now) {
  if (!explained_until_ || now < *explained_until_) return;
  explained_until_.reset();
  explanation_.clear();
}

bool AdvertisementReader::is_peer(const IpAddress& source) const {
  return !settings_.peers || std::ranges::find(*settings_.peers, source) != settings_.peers->end();
}

void AdvertisementReader::hear_own_address(TimePoint now, const VrrpDatagram& datagram, const Own& own) {
  // Rarely seen over IPv4, where the kernel drops what comes from an address of its own (accept_local).
  if (own.may_be_reflected || !has_vrid(datagram, settings_.dialect.vrid)) return;
  const std::string explanation = explain_own_address(datagram.source, settings_.dialect.vrid);
  remember(now, datagram.source, explanation);
  explain(now, "own_address", datagram.source, explanation);
}

void AdvertisementReader::reject(TimePoint now, VrrpRejectReason reason, const VrrpDatagram& datagram) {
  ++rejected_[static_cast<std::size_t>(reason)];
  if (reason == VrrpRejectReason::UnknownPeer) {
    const std::string who =
        "VRRP advertisement of " + datagram.source.to_string() + ", which is not in vip.peers";
    if (foreign_.observe(now, who)) {
      log_.error("another holder of the address shows itself", {{"conflict", who}});
    }
    return;
  }
  const Dialect& dialect = settings_.dialect;
  auto explanation = explain_refusal(datagram, reason, dialect, settings_.addresses);
  if (explanation) arrived_at_ = now;
  if (explanation && is_peer(datagram.source)) remember(now, datagram.source, *explanation);
  if (!explanation && datagram.message.size() > 1 && !has_vrid(datagram, dialect.vrid)) {
    // Other virtual routers on the segment are nobody's business. One of a peer may be a mistake, and may be
    // right for years: said once, and no warning.
    if (!settings_.peers || !is_peer(datagram.source) || !other_vrids_.insert(datagram.source).second) return;
    explanation = explain_other_vrid(datagram.source, datagram.message[1], dialect.vrid);
  }
  explain(now, to_string(reason), datagram.source, explanation);
}

SaidOnce& AdvertisementReader::said_of(const IpAddress& source) {
  return settings_.peers && is_peer(source) ? said_of_peers_ : said_;
}

void AdvertisementReader::explain(TimePoint now, std::string_view reason, const IpAddress& source,
                                  const std::optional<std::string>& explanation) {
  const std::string who = source.to_string();
  if (!said_of(source).may_say(std::string(reason) + who, now)) return;
  std::vector<LogField> fields{{"source", who}, {"reason", reason}};
  if (explanation) fields.emplace_back("explanation", *explanation);
  log_.write(LogLevel::Warn, "VRRP packet refused", fields);
}

void AdvertisementReader::remember(TimePoint now, const IpAddress& source, const std::string& explanation) {
  last_explained_ = {.at = now, .source = source, .text = explanation};
  expire(now);
  if (!explanation_.empty() && explanation_ != explanation) return;
  explanation_ = explanation;
  explained_until_ = now + kLeastMemory + 3 * settings_.dialect.interval;
}

// Never a reason to drop it: two hosts that both hold the address because their lists differ are worse.
void AdvertisementReader::compare_addresses(TimePoint now, const Advertisement& advertisement,
                                            const IpAddress& source) {
  auto theirs = advertisement.addresses;
  std::ranges::sort(theirs);
  if (theirs == settings_.addresses) {
    if (last_explained_ && last_explained_->source == source) last_explained_.reset();
    return;
  }
  const std::string explanation = explain_addresses(source, theirs, settings_.addresses);
  remember(now, source, explanation);
  if (!said_of(source).may_say("addresses " + source.to_string(), now)) return;
  std::string list;
  for (const IpAddress& address : theirs) list += (list.empty() ? "" : ",") + address.to_string();
  log_.warn("the peer advertises other addresses than ours",
            {{"peer", source.to_string()}, {"addresses", list}, {"explanation", explanation}});
}

}  // namespace vipward
