// Whatever arrives on a raw socket: the decoder stays in bounds, and what it hears it would also send. The
// ARP reader gets the same bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "lb/vip/arp.h"
#include "lb/vip/packet.h"

namespace {

using namespace vipward;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_advertisement(const VrrpDatagram& datagram) {
  if (datagram.message.size() < 2) return;
  const std::uint8_t vrid = datagram.message[1];
  const auto result = decode(datagram, vrid);
  if (std::holds_alternative<VrrpRejectReason>(result)) return;
  const auto& heard = std::get<DecodedAdvertisement>(result);
  require(!heard.advertisement.addresses.empty() && heard.advertisement.interval > Duration::zero());
  require(std::get<VrrpRejectReason>(decode(datagram, static_cast<std::uint8_t>(vrid + 1))) ==
          VrrpRejectReason::Vrid);
  for (const ChecksumForm form : {ChecksumForm::PseudoHeader, ChecksumForm::Rfc9568}) {
    const auto sent = encode(heard.advertisement, datagram.source, datagram.destination, form);
    VrrpDatagram echo = datagram;
    echo.message = sent;
    const auto again = std::get<DecodedAdvertisement>(decode(echo, vrid));
    require(again.advertisement == heard.advertisement);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const auto parsed = parse_ipv4_datagram(bytes);
  if (const auto* datagram = std::get_if<VrrpDatagram>(&parsed)) read_advertisement(*datagram);
  // Without the checks of the IP header, so that the message is reached more often.
  const VrrpDatagram bare{.source = *IpAddress::parse("10.99.0.2"),
                          .destination = *IpAddress::parse("10.99.0.3"),
                          .ttl = kVrrpTtl,
                          .message = bytes};
  read_advertisement(bare);
  if (const auto arp = parse_arp(bytes)) require(arp->sender_ip.is_v4() && arp->target_ip.is_v4());
  return 0;
}
