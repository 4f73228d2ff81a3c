// Whatever frame arrives: the reader of neighbour advertisements stays in bounds, and what it reads from our
// own advertisement for the same address is that address and our MAC. The bytes are read as they are, and
// again with a checksum that fits, which no fuzzer finds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "lb/vip/ndisc.h"

namespace {

using namespace vipward;

constexpr std::size_t kSourceAt = 22;
constexpr std::size_t kMessageAt = 54;
constexpr std::size_t kChecksumAt = 56;
constexpr std::size_t kSmallest = 78;

void require(bool holds) {
  if (!holds) std::abort();
}

void read(std::span<const std::uint8_t> frame) {
  const auto heard = parse_neighbour_advertisement(frame);
  if (!heard) return;
  require(!heard->target.is_v4() && heard->target.bytes()[0] != 0xff && !heard->source.is_v4());
  if (heard->target.is_unspecified()) return;
  const auto told = parse_neighbour_advertisement(unsolicited_na({.mac = heard->mac}, heard->target));
  require(told.has_value());
  require(*told ==
          NeighbourAdvertisement{.source = heard->target, .target = heard->target, .mac = heard->mac});
  require(!parse_neighbour_advertisement(neighbour_probe(heard->mac, heard->source, heard->target)));
}

// Up to the end that the header names, if that is in the frame.
void set_checksum(std::vector<std::uint8_t>& frame) {
  const std::size_t end = kMessageAt + frame[18] * std::size_t{256} + frame[19];
  if (end < kSmallest || end > frame.size()) return;
  frame[kChecksumAt] = frame[kChecksumAt + 1] = 0;
  std::uint32_t sum = static_cast<std::uint32_t>(end - kMessageAt) + 58;
  for (std::size_t i = kSourceAt; i < end; ++i)
    sum += static_cast<std::uint32_t>(i % 2 == 0 ? frame[i] << 8 : frame[i]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  frame[kChecksumAt] = static_cast<std::uint8_t>(~sum >> 8 & 0xff);
  frame[kChecksumAt + 1] = static_cast<std::uint8_t>(~sum & 0xff);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read({data, size});
  if (size < kSmallest) return 0;
  std::vector<std::uint8_t> frame(data, data + size);
  set_checksum(frame);
  read(frame);
  return 0;
}
