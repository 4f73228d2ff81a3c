// Whatever arrives on a raw socket: the decoder stays in bounds, and what it hears it would also send; what
// it refuses is explained in short. The ARP reader gets the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "lb/vip/arp.h"
#include "lb/vip/diagnosis.h"
#include "lb/vip/packet.h"

namespace {

using namespace vipward;

constexpr std::size_t kLongestSentence = 400;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_advertisement(const VrrpDatagram& datagram, Dialect dialect) {
  if (datagram.message.size() < 6) return;
  dialect.vrid = datagram.message[1];
  // Version 2 hears one interval alone: the one that is there, so that more is reached.
  dialect.interval = std::chrono::seconds(datagram.message[5]);
  const auto result = decode(datagram, dialect);
  if (const auto* reason = std::get_if<VrrpRejectReason>(&result)) {
    const std::vector ours{*IpAddress::parse("10.99.0.100"), *IpAddress::parse("fd99::100")};
    const auto text = explain_refusal(datagram, *reason, dialect, ours);
    require(!text || (!text->empty() && text->size() < kLongestSentence));
    dialect.vrid ^= 1;
    explain_refusal(datagram, VrrpRejectReason::Vrid, dialect, ours);
    return;
  }
  const auto& heard = std::get<DecodedAdvertisement>(result);
  require(!heard.advertisement.addresses.empty() && heard.advertisement.interval > Duration::zero());
  Dialect other = dialect;
  ++other.vrid;
  require(std::get<VrrpRejectReason>(decode(datagram, other)) == VrrpRejectReason::Vrid);
  for (const ChecksumForm form : {ChecksumForm::PseudoHeader, ChecksumForm::Rfc9568}) {
    dialect.checksum = form;
    const auto sent = encode(heard.advertisement, dialect, datagram.source, datagram.destination);
    VrrpDatagram echo = datagram;
    echo.message = sent;
    const auto again = std::get<DecodedAdvertisement>(decode(echo, dialect));
    require(again.advertisement == heard.advertisement);
  }
}

void read_in_all_dialects(const VrrpDatagram& datagram) {
  Dialect dialect;
  read_advertisement(datagram, dialect);
  dialect.version = VrrpVersion::V2;
  read_advertisement(datagram, dialect);
  dialect.password = VrrpPassword{'s', '3', 'c', 'r', 'e', 't', 'p', 'w'};
  read_advertisement(datagram, dialect);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const auto parsed = parse_ipv4_datagram(bytes);
  if (const auto* datagram = std::get_if<VrrpDatagram>(&parsed)) read_in_all_dialects(*datagram);
  // Without the checks of the IP header, so that the message is reached more often.
  const VrrpDatagram bare{.source = *IpAddress::parse("10.99.0.2"),
                          .destination = *IpAddress::parse("10.99.0.3"),
                          .ttl = kVrrpTtl,
                          .message = bytes};
  read_in_all_dialects(bare);
  read_in_all_dialects({.source = *IpAddress::parse("fe80::2"),
                        .destination = *IpAddress::parse("ff02::12"),
                        .ttl = kVrrpTtl,
                        .message = bytes});
  if (const auto arp = parse_arp(bytes)) require(arp->sender_ip.is_v4() && arp->target_ip.is_v4());
  return 0;
}
