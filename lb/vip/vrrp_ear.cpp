#include "lb/vip/vrrp_ear.h"

#include <algorithm>
#include <array>
#include <utility>

namespace vipward {
namespace {

using namespace std::chrono_literals;

// Datagrams heard at once at most: more than the kernel queues for a socket, so that all that waited is
// heard, and a flood still cannot keep the clock from being looked at.
constexpr int kMostDatagrams = 1024;
// Longer than any advertisement of 255 IPv6 addresses, or of IPv4 ones with their IP header.
constexpr std::size_t kDatagramBytes = 4352;
// Until it is tried again to listen where the kernel has refused it.
constexpr Duration kPause = 1s;

}  // namespace

VrrpEar::VrrpEar(Log& log, ConflictWatch& foreign, Settings settings, std::optional<Inherited> inherited)
    : log_(log),
      interface_(std::move(settings.interface)),
      needs_group_(settings.needs_group),
      reader_(log, foreign, std::move(settings.reading)),
      socket_(inherited ? VrrpSocket(settings.family, std::move(inherited->socket), inherited->index)
                        : VrrpSocket(settings.family)) {}

void VrrpEar::follow(TimePoint now, unsigned index, bool is_back) {
  if (index == socket_.interface() && !is_back && !is_due(now)) return;
  const auto problem = socket_.attach(interface_, index);
  // Said once, however often it is tried.
  if (problem && !again_at_) log_.error("cannot listen for VRRP", {{"error", *problem}});
  const bool is_deaf = problem && (needs_group_ || socket_.interface() == 0);
  fault_ = is_deaf ? *problem : "";
  again_at_ = problem ? std::optional(now + kPause) : std::nullopt;
}

void VrrpEar::hear(TimePoint now, const AdvertisementReader::Own& own,
                   const std::function<void(const HeardAdvertisement&)>& on_heard) {
  std::array<std::uint8_t, kDatagramBytes> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (int i = 0; i < kMostDatagrams; ++i) {
    const auto received = socket_.receive(buffer);
    if (!received) return;
    if (const auto heard = reader_.read(now, *received, own)) on_heard(*heard);
  }
}

std::optional<TimePoint> VrrpEar::next_deadline() const {
  const auto forgets = reader_.next_deadline();
  if (!again_at_ || !forgets) return again_at_ ? again_at_ : forgets;
  return std::min(*again_at_, *forgets);
}

}  // namespace vipward
